"""Release tickets."""

from dataclasses import replace

import pytest

from attestation.documents import CLOCK_SKEW, ContentType, sign_document
from attestation.errors import DocumentFault, DocumentRefused, PolicyError
from attestation.ticket import MAX_LIFETIME, Ticket, mint, open_ticket
from ownership_vouchers.types import Guid
from tests.support.documents import DIGEST, GUID, KEY, NOW, OTHER_GUID, SIGNER, TICKET

DATA = mint(TICKET, SIGNER)


def opened(
    data: bytes = DATA, guid: Guid = GUID, digest: str = DIGEST, now: int = NOW
) -> Ticket:
    return open_ticket(data, KEY, guid=guid, manifest_digest=digest, now=now)


def test_a_ticket_is_live_until_the_second_before_it_expires() -> None:
    assert opened(now=TICKET.expires - 1) == TICKET
    with pytest.raises(DocumentRefused, match="expired 0 s ago"):
        opened(now=TICKET.expires)


REFUSALS: dict[str, tuple[dict[str, object], DocumentFault]] = {
    "another device": ({"guid": OTHER_GUID}, DocumentFault.WRONG_DEVICE),
    "another manifest": ({"digest": "cd" * 32}, DocumentFault.WRONG_MANIFEST),
    "late": ({"now": NOW + 301}, DocumentFault.EXPIRED),
    "early": ({"now": NOW - CLOCK_SKEW - 1}, DocumentFault.NOT_YET),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_a_ticket_is_for_one_device_one_manifest_and_a_short_time(case: str) -> None:
    assert opened() == TICKET
    change, fault = REFUSALS[case]
    with pytest.raises(DocumentRefused) as refusal:
        opened(**change)  # type: ignore[arg-type]
    assert refusal.value.code is fault


def test_a_live_ticket_that_the_owner_has_superseded_is_refused() -> None:
    def opened_after(last_word: int) -> Ticket:
        return open_ticket(
            DATA,
            KEY,
            guid=GUID,
            manifest_digest=DIGEST,
            now=NOW,
            not_before=last_word,
        )

    assert opened_after(TICKET.issued_at) == TICKET
    with pytest.raises(DocumentRefused) as refusal:
        opened_after(TICKET.issued_at + 1)
    assert refusal.value.code is DocumentFault.SUPERSEDED


@pytest.mark.parametrize("lifetime", [0, -1, MAX_LIFETIME + 1])
def test_no_ticket_is_minted_that_lives_too_long_or_not_at_all(lifetime: int) -> None:
    with pytest.raises(PolicyError):
        mint(replace(TICKET, expires=NOW + lifetime), SIGNER)


def test_a_ticket_made_to_live_too_long_is_refused_though_rightly_signed() -> None:
    fields = {1: GUID.raw, 2: bytes.fromhex(DIGEST), 3: NOW, 4: NOW + 9999, 5: "d"}
    with pytest.raises(DocumentRefused, match="lives longer"):
        opened(sign_document(ContentType.TICKET, fields, SIGNER))
