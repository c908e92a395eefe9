"""What a device offers its owner, by what it knows of him."""

import pytest

from onboarding.device.credential import Owner
from onboarding.device.suites import AS_THE_OWNER, CIPHERS, Suites
from onboarding.protocol.ciphers import EVERY
from onboarding.protocol.kex import suites_of
from onboarding.wire.message import KexSuite
from ownership_vouchers.key_algorithm import KeyAlgorithm
from tests.support.supply_chain import new_key


@pytest.mark.parametrize("kind", KeyAlgorithm)
def test_the_first_owner_has_the_manufacturers_kind_of_key(kind: KeyAlgorithm) -> None:
    owner = new_key(kind).public_key()
    assert AS_THE_OWNER.kex_for(kind, None) is suites_of(owner)[0]


def test_a_later_owner_has_the_kind_of_the_one_before() -> None:
    owner = Owner(new_key("RSA-3072").public_key(), "https://owner.example.test")
    assert AS_THE_OWNER.kex_for(KeyAlgorithm.P256, owner) is KexSuite.DHKEXID15


def test_what_the_device_was_told_goes_before_what_it_knows() -> None:
    owner = Owner(new_key("RSA-2048").public_key(), "https://owner.example.test")
    told = Suites(KexSuite.ASYMKEX2048)
    assert told.kex_for(KeyAlgorithm.P256, owner) is KexSuite.ASYMKEX2048


def test_every_cipher_can_be_named() -> None:
    assert set(CIPHERS.values()) == EVERY
    assert all(name == name.upper() and "_" not in name for name in CIPHERS)
