"""fido-device-onboard-rs, a device, a rendezvous server and an owner's tool, with ours.

Its device speaks TO1 and TO2 with P-384, ECDH384 and A256GCM, and neither reuse nor
resale. It has the UEID of its tokens under a label of a draft, and its rendezvous
server takes no other.
"""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from onboarding.protocol.errors import PeerFailed
from onboarding.services.key_material import KeyAlgorithm
from onboarding.services.key_store import KeyKind
from tests.support.interop.fdo_rs import (
    RsDevice,
    RsRendezvous,
    Tool,
    der_of,
    rs_rendezvous,
)
from tests.support.interop.go_client import ALGORITHMS
from tests.support.interop.our_device import ChosenDevice
from tests.support.interop.services import Trade, directive, introduce, tell

P384 = KeyAlgorithm.P384
CURVES = {"ec256": ec.SECP256R1(), "ec384": ec.SECP384R1()}
DEVICE = "fido-device-onboard-rs as device; our manufacturing, rendezvous and owner"
SERVER = "fido-device-onboard-rs as rendezvous server; our manufacturing and owner"
TOOL = "fdo-owner-tool of fido-device-onboard-rs, and our vouchers"


def made(trade: Trade, directory: Path) -> RsDevice:
    """Run DI; our factory was told its key before."""
    device = RsDevice.new(directory)
    known = {"name": device.serial, "pem": device.public_pem}
    trade.factory.call("POST", "/device-keys", {"devices": [known]})
    device.initialise(trade.factory.url).require()
    return device


@pytest.mark.interop(DEVICE)
def test_it_goes_from_factory_to_owner_with_a_key_that_the_factory_knew(
    trade: Trade, tmp_path: Path
) -> None:
    device = made(trade, tmp_path)
    guid = trade.buy(device.serial, P384)
    device.onboard().require(says="Secure Device Onboarding DONE")
    shown = trade.reached(guid, "owned")
    assert shown["guid"] == guid  # it knows no resale


@pytest.mark.interop(DEVICE)
def test_it_is_not_made_where_its_key_is_not_known(
    trade: Trade, tmp_path: Path
) -> None:
    device = RsDevice.new(tmp_path)
    ran = device.initialise(trade.factory.url)
    assert ran.code != 0
    assert "Error sending AppStart" in ran.output
    assert not device.credential.exists()


@pytest.fixture
def rendezvous(trade: Trade, tmp_path: Path) -> Iterator[RsRendezvous]:
    """Its rendezvous server, of which our factory and owner tell."""
    maker = trade.keys[KeyKind.MANUFACTURER][P384].certificate_pem
    assert maker is not None
    directory = tmp_path / "rendezvous"
    with rs_rendezvous(directory, maker, trade.factory.text("/device-ca")) as found:
        for service in (trade.factory, trade.owner):
            tell(service, directive(found.url))
        yield found
        introduce(trade)


def bought(trade: Trade, guid: str) -> None:
    trade.take(trade.sold(guid, trade.owner_key(P384).public_pem))
    trade.announced(guid)


@pytest.mark.interop(SERVER)
def test_our_owner_registers_there_and_its_own_device_finds_our_owner(
    rendezvous: RsRendezvous, trade: Trade, tmp_path: Path
) -> None:
    device = made(trade, tmp_path)
    guid = trade.guid_of(device.serial)
    bought(trade, guid)
    device.onboard().require(says="Secure Device Onboarding DONE")
    trade.reached(guid, "owned")
    assert 'POST /fdo/101/msg/32 HTTP/1.1" 200' in rendezvous.said


@pytest.mark.interop(SERVER)
def test_our_device_is_refused_there_for_its_ueid(
    rendezvous: RsRendezvous, trade: Trade, client: httpx.Client
) -> None:
    """A fault of this version, which looks for it under 11 and not 256."""
    device = ChosenDevice.made_at(client, trade.factory.url, "ec384", "x509")
    bought(trade, device.guid)
    with pytest.raises(PeerFailed):
        device.find_owner(rendezvous.url)
    assert "Missing UEID" in rendezvous.said


def sold_between(
    trade: Trade, device: ChosenDevice, key: str, directory: Path
) -> tuple[Tool, Path]:
    """Sell the device to somebody between; the tool on it, and that one's key."""
    between = ec.generate_private_key(CURVES[key])
    form = (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    pem = between.public_key().public_bytes(*form).decode()
    (directory / "voucher.pem").write_text(trade.sold(device.guid, pem))
    (directory / "between.der").write_bytes(der_of(between))
    return Tool(directory / "voucher.pem"), directory / "between.der"


@pytest.mark.interop(TOOL)
@pytest.mark.parametrize("key", CURVES)
def test_it_reads_a_voucher_of_ours_and_signs_it_over_to_our_owner(
    key: str, trade: Trade, client: httpx.Client, tmp_path: Path
) -> None:
    device = ChosenDevice.made_at(client, trade.factory.url, key, "x509")
    tool, between = sold_between(trade, device, key, tmp_path)
    assert f"Device GUID: {device.guid}" in tool.dump().require().output
    buyer = trade.owner_key(ALGORITHMS[key]).certificate_pem
    assert buyer is not None
    (tmp_path / "buyer.pem").write_text(buyer)
    tool.extend(between, tmp_path / "buyer.pem").require()
    trade.take(tool.voucher.read_text())
    trade.announced(device.guid)
    device.onboard(trade.owner.url, device.find_owner(trade.rendezvous.url))
    trade.reached(device.guid, "owned")


@pytest.mark.interop(TOOL)
def test_it_cannot_read_a_chain_of_certificates(
    trade: Trade, client: httpx.Client, tmp_path: Path
) -> None:
    """A fault of this version, whose chains are in a byte string."""
    device = ChosenDevice.made_at(client, trade.factory.url, "ec384", "x5chain")
    tool, _ = sold_between(trade, device, "ec384", tmp_path)
    tool.dump().require(code=1, says="invalid type: byte array, expected u8")
