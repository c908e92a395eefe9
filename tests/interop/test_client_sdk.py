"""client-sdk-fidoiot (C) as a device against our three services.

It says which key, encoding, key exchange and cipher when it is built, and has
fdo.download and fdo.command beside modules of its own.
"""

from pathlib import Path
from typing import Any

import pytest

from tests.support.interop.client_sdk import COMPLETE, INITIALISED, ClientSdk
from tests.support.interop.services import Trade, directive, introduce, tell

PAIR = "client-sdk-fidoiot (C) as device; our manufacturing, rendezvous and owner"
KEYS, CIPHERS = ("ecdsa256", "ecdsa384"), ("gcm", "ccm")


@pytest.fixture
def device(trade: Trade, tmp_path: Path) -> ClientSdk:
    """A device from our factory."""
    made = ClientSdk.new("ecdsa256-gcm", tmp_path)
    made.initialise(trade.factory.url).require(says=INITIALISED)
    return made


def onboarded(device: ClientSdk, trade: Trade, *steps: dict[str, Any]) -> list[Any]:
    """Give the device a plan, and onboard it; return the receipts of the steps."""
    name = device.serial.lower()
    plan = {"name": name, "steps": steps}
    trade.owner.call("POST", "/service-info/plans", plan)
    guid = trade.buy(device.serial, device.algorithm)
    trade.owner.call("PUT", f"/devices/{guid}/service-info", {"plan": name})
    ran = device.onboard()
    (run,) = trade.owner.call("GET", f"/devices/{guid}/deliveries")["items"]
    assert run["completed"], (run["error"], ran.output)
    ran.require(says=COMPLETE)
    trade.reached(guid, "owned")
    return list(run["modules"])[-len(steps) :]


def step(module: str, **parameters: Any) -> dict[str, Any]:
    return {"module": module, "required": True, "parameters": parameters}


@pytest.mark.interop(
    PAIR, title="DI, TO1 and TO2, by build", rows=("key",), column="cipher"
)
@pytest.mark.parametrize("cipher", CIPHERS)
@pytest.mark.parametrize("key", KEYS)
def test_a_device_goes_from_factory_to_owner(
    key: str, cipher: str, trade: Trade, tmp_path: Path
) -> None:
    device = ClientSdk.new(f"{key}-{cipher}", tmp_path)
    device.initialise(trade.factory.url).require(says=INITIALISED)
    guid = trade.buy(device.serial, device.algorithm)
    assert trade.made_as(guid) == "X509"
    device.onboard().require(says=COMPLETE)
    trade.reached(guid, "owned")


@pytest.mark.interop(PAIR)
def test_its_credential_is_reused_and_onboards_it_again(
    device: ClientSdk, trade: Trade
) -> None:
    guid = trade.buy(device.serial, device.algorithm)
    trade.owner.call("PUT", f"/vouchers/{guid}/credential", {"mode": "reuse"})
    device.onboard().require(says=COMPLETE)
    trade.reached(guid, "owned")
    device.onboard().require(says=COMPLETE)
    assert len(trade.owner.call("GET", f"/devices/{guid}/deliveries")["items"]) == 2


@pytest.mark.interop(PAIR)
def test_it_is_resold_by_our_owner_and_onboarded_again(
    device: ClientSdk, trade: Trade
) -> None:
    guid = trade.buy(device.serial, device.algorithm)
    device.onboard().require(says=COMPLETE)
    owned = trade.reached(guid, "owned")["guid"]
    assert owned != guid
    buyer = {"next_owner_pem": trade.owner_key(device.algorithm).public_pem}
    trade.owner.call("POST", f"/vouchers/{owned}/extend", buyer)
    trade.announced_again(owned)
    device.resell().require()
    device.onboard().require(says=COMPLETE)
    assert trade.reached(owned, "owned")["guid"] != owned


@pytest.mark.interop(PAIR)
def test_it_goes_straight_to_our_owner_where_rendezvous_is_bypassed(
    trade: Trade, tmp_path: Path
) -> None:
    device = ClientSdk.new("ecdsa256-gcm", tmp_path)
    tell(trade.factory, directive(trade.owner.url, bypass=True))
    try:
        device.initialise(trade.factory.url).require(says=INITIALISED)
    finally:
        introduce(trade)
    guid = trade.guid_of(device.serial)
    trade.take(trade.sold(guid, trade.owner_key(device.algorithm).public_pem))
    device.onboard().require(says=COMPLETE)
    trade.reached(guid, "owned")


@pytest.mark.interop(PAIR)
def test_fdo_download_brings_it_one_file_after_the_other(
    device: ClientSdk, trade: Trade
) -> None:
    """Not an empty one, of which it never says that it is done."""
    text = "site\n" * 1000
    files = {"site.conf": text, "more": "more\n"}
    steps = [step("fdo.download", name=one, text=files[one]) for one in files]
    assert all(one["ok"] for one in onboarded(device, trade, *steps))
    found = {one: (device.directory / one).read_text() for one in files}
    assert found == files


@pytest.mark.interop(PAIR)
def test_fdo_command_runs_programs_one_after_the_other(
    device: ClientSdk, trade: Trade
) -> None:
    """It takes no ``execute`` of value null, and sends no output."""
    said = [["-c", f"echo {word} $0 >> said", "there"] for word in ("first", "then")]
    steps = [step("fdo.command", command="/bin/sh", args=args) for args in said]
    assert [one["exit_code"] for one in onboarded(device, trade, *steps)] == [0, 0]
    assert (device.directory / "said").read_text() == "first there\nthen there\n"


@pytest.mark.interop(PAIR)
def test_our_owner_sees_it_end_a_run_over_a_program_that_may_fail(
    device: ClientSdk, trade: Trade
) -> None:
    """A fault of this version, which does not look at ``may_fail``."""
    name = device.serial.lower()
    steps = [step("fdo.command", command="/bin/sh", args=["-c", "exit 3"])]
    plan = {"name": name, "steps": steps}
    trade.owner.call("POST", "/service-info/plans", plan)
    guid = trade.buy(device.serial, device.algorithm)
    trade.owner.call("PUT", f"/devices/{guid}/service-info", {"plan": name})
    device.onboard(stop_at="Error occurred while processing Type 69")
    (run, *_) = trade.owner.call("GET", f"/devices/{guid}/deliveries")["items"]
    assert not run["completed"]
    assert "error 100 after message 69" in run["error"]
