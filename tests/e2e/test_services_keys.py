"""FDO over real HTTP with every kind of key, key exchange and cipher."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from onboarding.protocol.ciphers import EVERY, CipherSuite
from onboarding.protocol.errors import PeerFailed
from onboarding.protocol.kex import suites_of
from onboarding.services.key_material import KeyAlgorithm
from onboarding.services.key_store import KeyKind
from onboarding.services.settings import Role
from onboarding.wire.message import KexSuite
from ownership_vouchers.algorithms import VerifyKey, permitted
from ownership_vouchers.encrypt0 import Aead
from ownership_vouchers.keys import KeyEncoding, KeyType
from ownership_vouchers.mac0 import MacSuite
from ownership_vouchers.pem import load_vouchers
from ownership_vouchers.voucher import Voucher
from tests.support.fdo_chain import Chain, eventually, joined, state_of
from tests.support.services import Wire
from tests.support.soft_device import SoftDevice

pytest_plugins = ["tests.support.service_fixtures"]

RSA = (
    KeyAlgorithm.RSA2048,
    KeyAlgorithm.RSA3072,
    KeyAlgorithm.RSA2048_PSS,
    KeyAlgorithm.RSA3072_PSS,
)


@pytest.fixture(params=RSA)
def rsa_chain(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Chain]:
    yield from joined(tmp_path, request.param)


def voucher_of(pem: str) -> Voucher:
    (voucher,) = load_vouchers(pem.encode())
    return voucher


def test_a_device_goes_the_whole_way_with_keys_of_one_kind(rsa_chain: Chain) -> None:
    kind = rsa_chain.site.algorithm
    device = SoftDevice.made_at(Wire.to(rsa_chain.factory.url), curve=kind)
    pem = rsa_chain.sell(device)
    voucher = voucher_of(pem)
    assert voucher.header.manufacturer_key.type is kind.key_type
    assert voucher.owner_key.type is kind.key_type
    assert int(device.key.alg) in permitted(voucher.device_key)
    assert rsa_chain.take(pem).json()["imported"] == 1
    eventually(lambda: state_of(rsa_chain, device) == "registered")
    to1d = Wire.to(rsa_chain.rendezvous.url).run(device.to1())
    device.onboard(Wire.to(rsa_chain.owner.url), to1d=to1d)
    assert state_of(rsa_chain, device) == "owned"


def test_an_elliptic_curve_device_has_an_rsa_owner(rsa_chain: Chain) -> None:
    kind = rsa_chain.site.algorithm
    for curve, suite in zip(("P-256", "P-384"), suites_for(rsa_chain), strict=True):
        device = SoftDevice.made_at(
            Wire.to(rsa_chain.factory.url), f"SN-{curve}", curve, maker=kind
        )
        rsa_chain.take(rsa_chain.sell(device))
        device.onboard(Wire.to(rsa_chain.owner.url), kex=suite)
        assert state_of(rsa_chain, device) == "owned"


def suites_for(chain: Chain) -> tuple[KexSuite, ...]:
    owner = load_pem_public_key(chain.site.keys[KeyKind.OWNER].public_pem.encode())
    assert isinstance(owner, VerifyKey)
    return suites_of(owner)


def test_an_owner_may_insist_on_forward_secrecy(tmp_path: Path) -> None:
    for chain in joined(tmp_path, KeyAlgorithm.RSA2048):
        more = {"to2_asymkex": False, "background": False}
        settings = chain.owner_settings.model_copy(update=more)
        device = SoftDevice.made_at(Wire.to(chain.factory.url), curve="RSA-2048")
        chain.take(chain.sell(device))
        with chain.site.serve(settings) as insisting:
            with pytest.raises(PeerFailed) as refused:
                device.onboard(Wire.to(insisting.url), kex=KexSuite.ASYMKEX2048)
            assert refused.value.message.code == 101
            device.onboard(Wire.to(insisting.url), kex=KexSuite.DHKEXID14)
        assert state_of(chain, device) == "owned"


@pytest.mark.parametrize("encoding", KeyEncoding)
def test_a_voucher_has_its_keys_in_the_encoding_that_was_asked_for(
    fdo_chain: Chain, encoding: KeyEncoding
) -> None:
    device = SoftDevice.made_at(
        Wire.to(fdo_chain.factory.url), f"SN-{encoding}", encoding=encoding
    )
    buyer = fdo_chain.site.keys[KeyKind.OWNER].certificate_pem
    path = f"/vouchers/{device.credential.guid}/extend"
    reply = fdo_chain.factory.call(
        fdo_chain.factory_key, "POST", path, json={"next_owner_pem": buyer}
    )
    voucher = voucher_of(reply.json()["pem"])
    assert voucher.header.manufacturer_key.encoding is encoding
    assert voucher.owner_key.encoding is encoding
    fdo_chain.take(reply.json()["pem"])
    device.onboard(Wire.to(fdo_chain.owner.url))
    assert state_of(fdo_chain, device) == "owned"


@pytest.mark.parametrize("cipher", Aead)
def test_every_aead_is_served(fdo_chain: Chain, cipher: CipherSuite) -> None:
    device = fdo_chain.bought()
    device.onboard(Wire.to(fdo_chain.owner.url), cipher=cipher)
    assert state_of(fdo_chain, device) == "owned"


def test_suites_with_an_hmac_are_served_where_the_operator_says_so(
    fdo_chain: Chain,
) -> None:
    more = {"to2_hmac_ciphers": True, "background": False}
    settings = fdo_chain.owner_settings.model_copy(update=more)
    with fdo_chain.site.serve(settings) as serving:
        for cipher in sorted(EVERY - set(Aead)):
            device = fdo_chain.bought()
            with pytest.raises(PeerFailed) as refused:
                device.onboard(Wire.to(fdo_chain.owner.url), cipher=cipher)
            assert refused.value.message.code == 101
            assert isinstance(cipher, MacSuite)
            device.onboard(Wire.to(serving.url), cipher=cipher)
            assert state_of(fdo_chain, device) == "owned"


def test_models_that_read_no_kty_get_vouchers_without_it(fdo_chain: Chain) -> None:
    settings = fdo_chain.site.settings(
        Role.MANUFACTURING, di_bare_cose_keys=("test-*",)
    )
    with fdo_chain.site.serve(settings) as factory:
        device = SoftDevice.made_at(
            Wire.to(factory.url), "SN-bare", encoding=KeyEncoding.COSEKEY
        )
    pem = fdo_chain.sell(device)
    voucher = voucher_of(pem)
    keys = (voucher.header.manufacturer_key, voucher.owner_key)
    assert [key.bare for key in keys] == [True, True]
    assert [key.type for key in keys] == [KeyType.SECP256R1] * 2
    fdo_chain.take(pem)
    device.onboard(Wire.to(fdo_chain.owner.url))
    assert state_of(fdo_chain, device) == "owned"
