"""go-fdo-client as a device against our three services."""

from pathlib import Path

import pytest

from tests.support.interop.go_client import COMPLETE, GoClient
from tests.support.interop.go_peers import GoPeers
from tests.support.interop.matrix import COLUMN, ROWS, combinations
from tests.support.interop.our_device import ENCODINGS
from tests.support.interop.services import Trade, directive, introduce, tell

PAIR = "go-fdo-client as device; our manufacturing, rendezvous and owner"
BRIEF = {
    ("ec256", "x509", "ECDH256", "A128GCM"),
    ("ec384", "cose", "ECDH384", "A256GCM"),
    ("rsa2048", "x5chain", "ASYMKEX2048", "COSEAES128CTR"),
    ("rsa3072", "x509", "DHKEXid15", "COSEAES256CBC"),
}
KEYS = ("ec256", "ec384", "rsa2048", "rsa3072")


@pytest.mark.interop(
    PAIR,
    title="DI, TO1 and TO2, by key, encoding, key exchange and cipher",
    rows=ROWS,
    column=COLUMN,
)
@pytest.mark.parametrize((*ROWS, COLUMN), combinations(KEYS, BRIEF))
def test_a_device_goes_from_factory_to_owner(
    key: str,
    encoding: str,
    kex: str,
    cipher: str,
    go: GoPeers,
    trade: Trade,
    tmp_path: Path,
) -> None:
    device = GoClient.new(go.program("go-fdo-client"), tmp_path, key)
    device.initialise(trade.factory.url, encoding)
    guid = trade.buy(device.serial, device.algorithm)
    assert trade.made_as(guid) == ENCODINGS[encoding].name
    device.onboard(kex, cipher).require(says=COMPLETE)
    assert trade.reached(guid, "owned")


@pytest.mark.interop(PAIR)
def test_our_owner_is_done_when_it_lets_its_credential_be_reused(
    go: GoPeers, trade: Trade, tmp_path: Path
) -> None:
    """The client takes it for a failure and would try for ever: a fault of its own."""
    device = GoClient.new(go.program("go-fdo-client"), tmp_path, "ec256")
    device.initialise(trade.factory.url)
    guid = trade.buy(device.serial, device.algorithm)
    trade.owner.call("PUT", f"/vouchers/{guid}/credential", {"mode": "reuse"})
    ran = device.onboard("ECDH256", "A128GCM", "--allow-credential-reuse")
    assert "TO2 failed" in ran.output
    assert device.guid() == guid
    trade.reached(guid, "owned")


@pytest.mark.interop(PAIR)
def test_a_device_goes_straight_to_our_owner_where_rendezvous_is_bypassed(
    go: GoPeers, trade: Trade, tmp_path: Path
) -> None:
    device = GoClient.new(go.program("go-fdo-client"), tmp_path, "ec256")
    tell(trade.factory, directive(trade.owner.url, bypass=True))
    try:
        device.initialise(trade.factory.url)
    finally:
        introduce(trade)
    guid = trade.guid_of(device.serial)
    trade.take(trade.sold(guid, trade.owner_key(device.algorithm).public_pem))
    ran = device.onboard("ECDH256", "A128GCM").require(says=COMPLETE)
    assert "skipping TO1" in ran.output
    trade.reached(guid, "owned")


@pytest.mark.interop(PAIR)
def test_a_device_is_resold_by_our_owner_and_onboarded_again(
    go: GoPeers, trade: Trade, tmp_path: Path
) -> None:
    device = GoClient.new(go.program("go-fdo-client"), tmp_path, "ec256")
    device.initialise(trade.factory.url)
    trade.buy(device.serial, device.algorithm)
    device.onboard("ECDH256", "A128GCM").require(says=COMPLETE)
    owned = device.guid()
    buyer = {"next_owner_pem": trade.owner_key(device.algorithm).public_pem}
    trade.owner.call("POST", f"/vouchers/{owned}/extend", buyer)
    trade.announced_again(owned)
    device.onboard("ECDH256", "A128GCM", "--resale").require(says=COMPLETE)
    assert device.guid() != owned
