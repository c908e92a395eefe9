"""The release ticket: an owner's word that one device may have one manifest, now."""

from dataclasses import dataclass

from attestation.documents import (
    ContentType,
    digest_bytes,
    guid_of,
    malformed,
    open_document,
    require_device,
    require_not_future,
    sign_document,
)
from attestation.errors import DocumentFault, DocumentRefused, PolicyError
from ownership_vouchers import cbor
from ownership_vouchers.algorithms import Signer, VerifyKey
from ownership_vouchers.errors import VoucherError
from ownership_vouchers.types import Guid

MAX_LIFETIME = 15 * 60  # seconds


@dataclass(frozen=True, slots=True)
class Ticket:
    """Who may have what until when, and the decision that says why.

    ``manifest_digest`` is 64 hexadecimal digits; times are seconds since 1970, UTC.
    """

    guid: Guid
    manifest_digest: str
    issued_at: int
    expires: int
    decision_id: str


def mint(ticket: Ticket, signer: Signer) -> bytes:
    """Sign ``ticket`` with the owner's key.

    Raises:
        PolicyError: It would live longer than MAX_LIFETIME, or not at all.
    """
    if not 0 < ticket.expires - ticket.issued_at <= MAX_LIFETIME:
        raise PolicyError(f"a ticket lives 1 to {MAX_LIFETIME} s")
    fields = {
        1: ticket.guid.raw,
        2: digest_bytes(ticket.manifest_digest),
        3: ticket.issued_at,
        4: ticket.expires,
        5: ticket.decision_id,
    }
    return sign_document(ContentType.TICKET, fields, signer)


def open_ticket(
    data: bytes,
    owner_key: VerifyKey,
    *,
    guid: Guid,
    manifest_digest: str,
    now: int,
    not_before: int = 0,
) -> Ticket:
    """Return a live ticket of device ``guid`` for that manifest.

    Args:
        not_before: When the owner last spoke, by its own clock: the ticket the device
            runs on, or the second after the last order to remove. An older ticket,
            though live, would bring back what the owner has replaced or withdrawn.

    Raises:
        DocumentRefused: Malformed, not the owner's, for another device or manifest,
            expired, from the future, made to live too long, or superseded.
    """
    fields = open_document(ContentType.TICKET, data, owner_key, 5)
    try:
        ticket = Ticket(
            guid_of(fields[1]),
            cbor.bstr(fields[2], 32).hex(),
            cbor.uint(fields[3], 63),
            cbor.uint(fields[4], 63),
            cbor.tstr(fields[5], 64),
        )
    except VoucherError as error:
        raise malformed(error) from error
    require_device(ticket.guid, guid)
    if ticket.manifest_digest != manifest_digest:
        raise DocumentRefused(
            DocumentFault.WRONG_MANIFEST, "the ticket is for another manifest"
        )
    if ticket.issued_at < not_before:
        raise DocumentRefused(
            DocumentFault.SUPERSEDED, "the ticket is older than the owner's last word"
        )
    _require_live(ticket, now)
    return ticket


def _require_live(ticket: Ticket, now: int) -> None:
    require_not_future(ticket.issued_at, now)
    if now >= ticket.expires:
        raise DocumentRefused(
            DocumentFault.EXPIRED, f"the ticket expired {now - ticket.expires} s ago"
        )
    if ticket.expires - ticket.issued_at > MAX_LIFETIME:
        raise DocumentRefused(
            DocumentFault.MALFORMED, f"the ticket lives longer than {MAX_LIFETIME} s"
        )
