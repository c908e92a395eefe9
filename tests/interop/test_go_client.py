"""go-fdo-client as a device against our three services."""

from pathlib import Path

import pytest

from tests.support.interop.go_client import COMPLETE, GoClient
from tests.support.interop.go_peers import GoPeers
from tests.support.interop.matrix import COLUMN, ROWS, combinations
from tests.support.interop.our_device import ENCODINGS
from tests.support.interop.services import Trade

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
