"""pri-fidoiot (Java) as a device against our three services.

It is started once for DI and again for TO1 and TO2, and says nothing of either.
"""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from onboarding.services.key_material import KeyAlgorithm
from tests.support.interop.pri_fidoiot import JavaDevice
from tests.support.interop.services import Trade

PAIR = "pri-fidoiot (Java) as device; our manufacturing, rendezvous and owner"
P256, P384 = KeyAlgorithm.P256, KeyAlgorithm.P384
KINDS = {"SECP256R1": P256, "SECP384R1": P384}
WRITTEN = {"X509": "X509", "COSEX5CHAIN": "X5CHAIN", "COSEKEY": "COSEKEY"}
CELLS = [
    ("SECP256R1", "X509", "ECDH256", "A128GCM"),
    ("SECP256R1", "COSEX5CHAIN", "ECDH256", "AES_CCM_64_128_128"),
    ("SECP256R1", "COSEKEY", "ECDH256", "A256GCM"),
    ("SECP384R1", "X509", "ECDH384", "A256GCM"),
    ("SECP384R1", "COSEX5CHAIN", "ECDH384", "AES_CCM_64_128_256"),
    ("SECP384R1", "COSEKEY", "ECDH384", "A128GCM"),
]

SITE, LOG = "site\n" * 1000, b"log\n" * 1000
pytestmark = pytest.mark.full  # each start takes some seconds


def made(trade: Trade, device: JavaDevice) -> str:
    """Run DI; return the GUID: the device chooses its serial number by itself."""
    before = kept(trade)
    device.start(trade.factory.url).require()
    (guid,) = kept(trade) - before
    return guid


def kept(trade: Trade) -> set[str]:
    """The GUIDs of all vouchers that the factory has, page after page."""
    found, cursor = set[str](), ""
    while True:
        page = trade.factory.call("GET", f"/vouchers?limit=100{cursor}")
        found |= {str(one["guid"]) for one in page["items"]}
        if page["next"] is None:
            return found
        cursor = f"&cursor={page['next']}"


def bought(trade: Trade, device: JavaDevice, guid: str) -> None:
    buyer = trade.owner_key(KINDS[device.kind]).public_pem
    trade.take(trade.sold(guid, buyer))
    trade.announced(guid)


@pytest.fixture
def device(tmp_path: Path) -> JavaDevice:
    return JavaDevice.new(tmp_path, *CELLS[0])


def step(module: str, **parameters: Any) -> dict[str, Any]:
    return {"module": module, "required": True, "parameters": parameters}


@pytest.mark.interop(
    PAIR,
    title="DI, TO1 and TO2, by key, encoding and key exchange",
    rows=("kind", "encoding", "kex"),
    column="cipher",
)
@pytest.mark.parametrize(("kind", "encoding", "kex", "cipher"), CELLS)
def test_a_device_goes_from_factory_to_owner(
    kind: str, encoding: str, kex: str, cipher: str, trade: Trade, tmp_path: Path
) -> None:
    device = JavaDevice.new(tmp_path, kind, encoding, kex, cipher)
    guid = made(trade, device)
    assert trade.made_as(guid) == WRITTEN[encoding]
    bought(trade, device, guid)
    device.start(trade.factory.url).require()
    trade.reached(guid, "owned")


@pytest.mark.interop(PAIR)
def test_its_credential_is_reused_and_onboards_it_again(
    device: JavaDevice, trade: Trade
) -> None:
    guid = made(trade, device)
    bought(trade, device, guid)
    trade.owner.call("PUT", f"/vouchers/{guid}/credential", {"mode": "reuse"})
    for runs in (1, 2):
        device.start(trade.factory.url).require()
        assert trade.reached(guid, "owned")["guid"] == guid
        found = trade.owner.call("GET", f"/devices/{guid}/deliveries")["items"]
        assert len(found) == runs


@pytest.mark.interop(PAIR)
def test_it_is_resold_by_our_owner_and_onboarded_again(
    device: JavaDevice, trade: Trade
) -> None:
    guid = made(trade, device)
    bought(trade, device, guid)
    device.start(trade.factory.url)
    owned = trade.reached(guid, "owned")["guid"]
    assert owned != guid
    buyer = {"next_owner_pem": trade.owner_key(P256).public_pem}
    trade.owner.call("POST", f"/vouchers/{owned}/extend", buyer)
    trade.announced_again(owned)
    device.start(trade.factory.url).require()
    assert trade.reached(owned, "owned")["guid"] != owned


@pytest.mark.interop(PAIR)
def test_modules_bring_a_file_fetch_one_and_run_a_program_of_which_no_output_comes(
    device: JavaDevice, trade: Trade
) -> None:
    (device.directory / "data/log").write_bytes(LOG)
    steps = [
        step("fdo.download", name="site.conf", text=SITE),
        step("fdo.command", command="/bin/sh", args=["-c", "echo to $0", "out"]),
        step("fdo.upload", name="log"),
    ]
    plan = {"name": "java", "steps": steps}
    trade.owner.call("POST", "/service-info/plans", plan)
    guid = made(trade, device)
    bought(trade, device, guid)
    trade.owner.call("PUT", f"/devices/{guid}/service-info", {"plan": "java"})
    device.start(trade.factory.url).require()
    (run,) = trade.owner.call("GET", f"/devices/{guid}/deliveries")["items"]
    assert run["completed"], run["error"]
    down, command, up = run["modules"][-3:]
    assert (down["ok"], down["bytes"]) == (True, len(SITE))
    assert (command["ok"], command["exit_code"], command["stdout"]) == (True, 0, "")
    assert up["sha384"] == hashlib.sha384(LOG).hexdigest()
