"""go-fdo-client as a device against our three services."""

from itertools import product
from pathlib import Path

import pytest

from tests.support.interop.go_client import COMPLETE, GoClient
from tests.support.interop.go_peers import GoPeers
from tests.support.interop.services import Trade

PAIR = "go-fdo-client as device; our manufacturing, rendezvous and owner"
ENCODINGS = ("x509", "x5chain", "cose")
CIPHERS = ("A128GCM", "A256GCM")
# FDO 1.1, section 3.6.5: which suites go with the owner key.
FITTING = {"ec256": ("ECDH256",), "ec384": ("ECDH384",)}
BRIEF = {
    ("ec256", "x509", "ECDH256", "A128GCM"),
    ("ec256", "cose", "ECDH256", "A256GCM"),
    ("ec384", "x5chain", "ECDH384", "A256GCM"),
}


COMBINATIONS = [
    pytest.param(*one, marks=() if one in BRIEF else pytest.mark.full)
    for key, suites in FITTING.items()
    for one in product([key], ENCODINGS, suites, CIPHERS)
]


@pytest.mark.interop(
    PAIR,
    title="DI, TO1 and TO2, by key, encoding, key exchange and cipher",
    rows=("key", "encoding", "kex"),
    column="cipher",
)
@pytest.mark.parametrize(("key", "encoding", "kex", "cipher"), COMBINATIONS)
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
    device.onboard(kex, cipher).require(says=COMPLETE)
    assert trade.reached(guid, "owned")
