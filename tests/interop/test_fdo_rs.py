"""fido-device-onboard-rs, as device, rendezvous server, owner and owner's tool.

Its device speaks TO1 and TO2 with P-384, ECDH384 and A256GCM, and neither reuse nor
resale. It has the UEID of its tokens under a label of a draft, and its rendezvous
server and owner take no other.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from onboarding.protocol.errors import PeerFailed
from onboarding.services.key_material import KeyAlgorithm
from onboarding.services.key_store import KeyKind
from ownership_vouchers.pem import load_voucher
from tests.support.interop.fdo_rs import (
    RsDevice,
    RsServer,
    Tool,
    der_of,
    rs_owner,
    rs_rendezvous,
)
from tests.support.interop.go_client import ALGORITHMS
from tests.support.interop.our_device import ChosenDevice
from tests.support.interop.services import (
    SECONDS,
    Trade,
    directive,
    introduce,
    tell,
)

P384 = KeyAlgorithm.P384
CURVES = {"ec256": ec.SECP256R1(), "ec384": ec.SECP384R1()}
DEVICE = "fido-device-onboard-rs as device; our manufacturing, rendezvous and owner"
SERVER = "fido-device-onboard-rs as rendezvous server; our manufacturing and owner"
OWNER = "fido-device-onboard-rs as owner; our manufacturing and rendezvous"
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
def rendezvous(trade: Trade, tmp_path: Path) -> Iterator[RsServer]:
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
    rendezvous: RsServer, trade: Trade, tmp_path: Path
) -> None:
    device = made(trade, tmp_path)
    guid = trade.guid_of(device.serial)
    bought(trade, guid)
    device.onboard().require(says="Secure Device Onboarding DONE")
    trade.reached(guid, "owned")
    assert 'POST /fdo/101/msg/32 HTTP/1.1" 200' in rendezvous.said


@pytest.mark.interop(SERVER)
def test_our_device_is_refused_there_for_its_ueid(
    rendezvous: RsServer, trade: Trade, client: httpx.Client
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


def self_signed(key: ec.EllipticCurvePrivateKey) -> str:
    """A certificate of one day, as its owner wants to have of its key."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "TEST OWNER")])
    now = datetime.now(UTC)
    until = now + timedelta(days=1)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now, until)
    return made.sign(key, SHA384()).public_bytes(Encoding.PEM).decode()


@contextmanager
def owned_there(trade: Trade, directory: Path, *guids: str) -> Iterator[RsServer]:
    """Its owner, of devices of our factory, which it has told our rendezvous of."""
    directory.mkdir()
    key = ec.generate_private_key(ec.SECP384R1())
    pem = self_signed(key)
    (directory / "owner.der").write_bytes(der_of(key))
    (directory / "owner.pem").write_text(pem)
    vouchers = {
        guid: load_voucher(trade.sold(guid, pem).strip().encode()).raw for guid in guids
    }
    with rs_owner(directory, trade.factory.text("/device-ca"), vouchers) as owner:
        reply = httpx.post(f"{owner.url}/report-to-rendezvous", timeout=SECONDS)
        assert (reply.status_code, reply.text) == (200, "ok"), owner.said
        yield owner


@pytest.mark.interop(OWNER)
def test_it_registers_with_our_rendezvous_and_its_device_finds_it(
    trade: Trade, tmp_path: Path
) -> None:
    device = made(trade, tmp_path)
    guid = trade.guid_of(device.serial)
    with owned_there(trade, tmp_path / "owner", guid) as owner:
        device.onboard().require(says="Secure Device Onboarding DONE")
        assert (owner.directory / "ran").exists()


@pytest.mark.interop(OWNER)
def test_our_device_is_refused_by_it_for_its_ueid(
    trade: Trade, client: httpx.Client, tmp_path: Path
) -> None:
    """A fault of this version, as in its rendezvous server."""
    device = ChosenDevice.made_at(client, trade.factory.url, "ec384", "x509")
    with owned_there(trade, tmp_path / "owner", device.guid) as owner:
        to1d = device.find_owner(trade.rendezvous.url)
        with pytest.raises(PeerFailed, match="message 64"):
            device.onboard(owner.url, to1d)
        assert "Missing UEID" in owner.said
