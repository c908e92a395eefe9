"""A device of Astarte's FDO library (Rust), against our services.

It knows P-256 keys, ECDH256 and A256GCM, and no module that others define.
"""

from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hw.keys import SoftKey, new_soft_key
from onboarding.services.key_material import KeyAlgorithm
from ownership_vouchers.pem import load_voucher
from tests.support.interop.go_client import ALGORITHMS
from tests.support.interop.go_services import GoServices
from tests.support.interop.our_device import CURVES, ChosenDevice
from tests.support.interop.rust_device import RustDevice, second_opinion
from tests.support.interop.rust_peers import RustPeer
from tests.support.interop.services import Trade

PAIR = "astarte-device-fdo (Rust) as device; our manufacturing, rendezvous and owner"


def public_pem(key: SoftKey) -> str:
    form = (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return key.public_key.public_bytes(*form).decode()


P256 = KeyAlgorithm.P256
BUYERS = {key: public_pem(new_soft_key(curve)) for key, curve in CURVES.items()}
pytestmark = pytest.mark.full  # it takes minutes to build


@pytest.fixture
def device(rust: RustPeer, tmp_path: Path) -> RustDevice:
    return RustDevice.new(rust.program, tmp_path)


@pytest.mark.interop(
    PAIR, title="DI, TO1 and TO2, by encoding", rows=("encoding",), column="cipher"
)
@pytest.mark.parametrize("cipher", ["A256GCM"])
@pytest.mark.parametrize("encoding", ["x509", "x5chain"])
def test_a_rust_device_goes_from_factory_to_owner(
    encoding: str, cipher: str, device: RustDevice, trade: Trade
) -> None:
    guid = device.initialise(trade.factory.url, encoding)
    assert trade.buy(device.serial, P256) == guid
    assert trade.made_as(guid) == encoding.upper()
    now = device.guid_after(device.onboard())
    trade.reached(guid, "owned")
    assert now != guid


@pytest.mark.interop(PAIR)
def test_its_credential_is_reused_if_it_may_be(
    device: RustDevice, trade: Trade
) -> None:
    guid = device.initialise(trade.factory.url)
    trade.buy(device.serial, P256)
    trade.owner.call("PUT", f"/vouchers/{guid}/credential", {"mode": "reuse"})
    assert device.guid_after(device.onboard("reuse")) == guid
    trade.reached(guid, "owned")
    assert device.guid_after(device.onboard("reuse")) == guid


@pytest.mark.interop(PAIR)
def test_our_owner_sees_it_refuse_reuse(device: RustDevice, trade: Trade) -> None:
    guid = device.initialise(trade.factory.url)
    trade.buy(device.serial, P256)
    trade.owner.call("PUT", f"/vouchers/{guid}/credential", {"mode": "reuse"})
    ran = device.onboard()
    assert ran.code == 1
    assert "credentials reuse is not enabled" in ran.output
    assert trade.owner.call("GET", f"/devices/{guid}")["state"] == "registered"


@pytest.mark.interop(PAIR)
def test_it_refuses_to_be_resold_since_it_signed_for_the_header_of_before(
    device: RustDevice, trade: Trade, services: GoServices
) -> None:
    """A fault of this version in TO2.DeviceServiceInfoReady: FDO 1.1, section 5.5.8."""
    device.initialise(trade.factory.url)
    trade.buy(device.serial, P256)
    owned = device.guid_after(device.onboard())
    services.take(trade.resold(owned, services.key("owner", "ec256")))
    services.register(owned, trade.rendezvous.url)
    ran = device.onboard()
    assert (ran.code, "to verify hmac" in ran.output) == (1, True), ran.output


@pytest.mark.interop(
    "astarte-fdo-protocol (Rust) as a second reader of our vouchers",
    title="Two entries, every signature and hash checked, and written again",
    rows=("encoding",),
    column="key",
)
@pytest.mark.parametrize("encoding", ["x509", "x5chain"])
@pytest.mark.parametrize("key", ["ec256", "ec384"])
def test_it_reads_our_voucher_as_we_do(
    key: str, encoding: str, rust: RustPeer, trade: Trade, client: httpx.Client
) -> None:
    made = ChosenDevice.made_at(client, trade.factory.url, key, encoding)
    buyer = trade.owner_key(ALGORITHMS[key]).public_pem
    trade.take(trade.sold(made.guid, buyer))
    voucher = load_voucher(trade.resold(made.guid, BUYERS[key]).strip().encode())
    told = second_opinion(rust.program, voucher.raw)
    assert told == (made.guid, 2, voucher.owner_key.spki)
