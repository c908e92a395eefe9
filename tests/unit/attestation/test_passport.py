"""Passports."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from attestation.errors import DocumentFault, DocumentRefused
from attestation.passport import Passport, issue, key_digest, open_passport, require_fit
from ownership_vouchers.errors import MalformedError
from tests.support.documents import GUID, KEY, NOW, OTHER_GUID, SIGNER, STRANGER

DAK = ec.generate_private_key(ec.SECP256R1()).public_key()
PASSPORT = Passport(GUID, bytes(32), "SN-1", "generic-sbc-tpm", key_digest(DAK), NOW)


def test_any_of_the_manufacturers_keys_may_have_signed() -> None:
    data = issue(PASSPORT, SIGNER)
    assert open_passport(data, [STRANGER.public_key, KEY]) == PASSPORT


def test_without_a_manufacturers_key_no_passport_opens() -> None:
    with pytest.raises(DocumentRefused) as refusal:
        open_passport(issue(PASSPORT, SIGNER), [])
    assert refusal.value.code is DocumentFault.BAD_SIGNATURE


def test_a_passport_fits_the_voucher_with_its_guid_and_device_key_only() -> None:
    require_fit(PASSPORT, GUID, DAK)
    with pytest.raises(DocumentRefused) as refusal:
        require_fit(PASSPORT, OTHER_GUID, DAK)
    assert refusal.value.code is DocumentFault.WRONG_DEVICE
    with pytest.raises(DocumentRefused) as refusal:
        require_fit(PASSPORT, GUID, KEY)
    assert refusal.value.code is DocumentFault.WRONG_DEVICE_KEY


def test_a_digest_that_is_none_is_not_signed() -> None:
    odd = Passport(GUID, b"short", "SN-1", "sbc", bytes(32), NOW)
    with pytest.raises(MalformedError):
        issue(odd, SIGNER)
