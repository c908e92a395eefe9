"""How a passport is shown: what it says, or that it does not hold."""

import pytest

from attestation.passport import Passport, issue, key_digest
from onboarding.services.api.vouchers import shown_passport
from onboarding.services.passports import StoredPassport
from ownership_vouchers.keys import spki
from tests.support.alterations import flip
from tests.support.supply_chain import SupplyChain

NOW = 1_800_000_000


@pytest.fixture
def stored() -> StoredPassport:
    chain = SupplyChain().make_device()
    device_key = key_digest(chain.device_key.public_key())
    passport = Passport(chain.guid, b"e" * 32, "SN-1", "board", device_key, NOW)
    maker = chain.manufacturer
    document = issue(passport, maker.signer)
    return StoredPassport(spki(maker.private_key.public_key()), document)


def test_a_passport_is_shown_with_whose_word_it_is(stored: StoredPassport) -> None:
    shown = shown_passport(stored.encode())
    assert shown["error"] is None
    assert (shown["serial"], shown["profile"]) == ("SN-1", "board")
    assert (shown["ek_digest"], shown["issued_at"]) == ((b"e" * 32).hex(), NOW)
    assert len(shown["issuer_fingerprint"]) == 64


def test_a_passport_that_was_altered_says_nothing_but_that(
    stored: StoredPassport,
) -> None:
    altered = StoredPassport(stored.issuer, flip(stored.document))
    shown = shown_passport(altered.encode())
    assert shown.keys() == {"issuer_fingerprint", "error"}
    assert shown["error"]
