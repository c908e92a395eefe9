"""Check a TPM's quote or certification, fail closed; pure Python, for servers.

These say that the statement is whole, fresh and made by the key. Whether the values in
it are good ones is policy, and is judged elsewhere.
"""

import hmac
from dataclasses import dataclass

from hw.errors import EvidenceError
from hw.pcr_blob import parse_pcr_blob
from hw.structures import Attest, AttestKind, PublicArea, verify_attest


@dataclass(frozen=True, slots=True)
class QuoteFacts:
    """What one good quote says."""

    pcrs: dict[int, str]  # PCR number -> value in lower-case hex
    bank: str  # such as "sha256"
    clock: int  # milliseconds
    reset_count: int
    restart_count: int
    safe: bool  # False: the clock may have gone back
    firmware: int


def check_quote(
    ak: PublicArea, message: bytes, signature: bytes, pcr_blob: bytes, nonce: bytes
) -> QuoteFacts:
    """Check a quote, its signature, its nonce and the PCR values beside it.

    Args:
        ak: The key that must have signed; checked to be an attestation key.
        message: TPMS_ATTEST, without a size in front.
        signature: TPMT_SIGNATURE.
        pcr_blob: As ``hw.pcr_blob`` describes: one bank, the very PCRs quoted.
        nonce: What we asked to be signed; an empty one is refused.

    Raises:
        StructureError: One of the parts is not the structure it should be.
        EvidenceError: The statement is another's, stale, of another kind, or does not
            cover these values.
    """
    attest = _statement(ak, message, signature, nonce, AttestKind.QUOTE)
    bank, values = parse_pcr_blob(pcr_blob)
    if not values:
        raise EvidenceError("the quote covers no PCR")
    selected = [(entry.bank, entry.pcrs) for entry in attest.pcr_selection]
    if selected != [(bank, tuple(values))]:
        raise EvidenceError("the PCR values are not those that were quoted")
    digest = ak.require_attestation_key().hash.digest(*values.values())
    if not hmac.compare_digest(digest, attest.pcr_digest):
        raise EvidenceError("the PCR values do not have the quoted digest")
    return QuoteFacts(
        {pcr: value.hex() for pcr, value in values.items()},
        bank.bank,
        attest.clock,
        attest.reset_count,
        attest.restart_count,
        attest.safe,
        attest.firmware,
    )


def check_certify(
    ak: PublicArea,
    subject: PublicArea,
    message: bytes,
    signature: bytes,
    qualifying: bytes,
) -> Attest:
    """Check that the TPM holding ``ak`` vouches that it also holds ``subject``.

    Raises:
        StructureError: One of the parts is not the structure it should be.
        EvidenceError: The statement is another's, stale, or of another key.
    """
    attest = _statement(ak, message, signature, qualifying, AttestKind.CERTIFY)
    if not hmac.compare_digest(attest.certified_name, subject.name):
        raise EvidenceError("the certification is of another key")
    return attest


def _statement(
    ak: PublicArea, message: bytes, signature: bytes, nonce: bytes, kind: AttestKind
) -> Attest:
    attest = verify_attest(ak, message, signature)
    if attest.kind is not kind:
        raise EvidenceError(f"the statement is no {kind.name.lower()}")
    if not nonce or not hmac.compare_digest(attest.extra_data, nonce):
        raise EvidenceError("the statement does not answer our nonce")
    return attest
