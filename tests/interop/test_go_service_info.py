"""go-fdo-client as a device, and the ServiceInfo plans of our owner.

It puts files where it was started, and takes them from its work directory.
"""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from tests.support.interop.go_client import COMPLETE, GoClient
from tests.support.interop.go_peers import GoPeers
from tests.support.interop.services import Trade
from tests.support.interop.website import CONTENT

PAIR = "go-fdo-client as device; our manufacturing, rendezvous and owner"
TITLE = "ServiceInfo modules, by plans of ours"


@pytest.fixture
def device(go: GoPeers, trade: Trade, tmp_path: Path) -> GoClient:
    """A device from our factory."""
    made = GoClient.new(go.program("go-fdo-client"), tmp_path, "ec256")
    made.initialise(trade.factory.url)
    return made


def onboarded(
    device: GoClient, trade: Trade, *steps: dict[str, Any]
) -> list[dict[str, Any]]:
    """Give the device a plan, and onboard it; return the receipts of the steps."""
    name = device.serial.lower()
    trade.owner.call("POST", "/service-info/plans", {"name": name, "steps": steps})
    guid = trade.buy(device.serial, device.algorithm)
    trade.owner.call("PUT", f"/devices/{guid}/service-info", {"plan": name})
    ran = device.onboard("ECDH256", "A128GCM")
    (run,) = trade.owner.call("GET", f"/devices/{guid}/deliveries")["items"]
    assert run["completed"], run["error"]
    ran.require(says=COMPLETE)
    trade.reached(guid, "owned")
    return list(run["modules"])[-len(steps) :]


def step(module: str, required: bool = True, **parameters: Any) -> dict[str, Any]:
    return {"module": module, "required": required, "parameters": parameters}


@pytest.mark.interop(PAIR, title=TITLE)
def test_fdo_download_brings_files_large_and_empty(
    device: GoClient, trade: Trade
) -> None:
    text = "site {devmod.os}\n" * 400
    large, empty = onboarded(
        device,
        trade,
        step("fdo.download", name="site.conf", text=text),
        step("fdo.download", name="empty", text=""),
    )
    assert (large["ok"], empty["ok"]) == (True, True)
    written = (device.directory / "site.conf").read_text()
    assert written == "site linux\n" * 400
    assert (device.directory / "empty").read_bytes() == b""


@pytest.mark.interop(PAIR, title=TITLE)
def test_fdo_upload_fetches_a_file(device: GoClient, trade: Trade) -> None:
    (device.work / "log").write_bytes(CONTENT)
    (up,) = onboarded(device, trade, step("fdo.upload", name="log"))
    assert up["sha384"] == hashlib.sha384(CONTENT).hexdigest()


@pytest.mark.interop(PAIR, title=TITLE)
def test_fdo_command_runs_programs_one_after_the_other(
    device: GoClient, trade: Trade
) -> None:
    first, second = onboarded(
        device,
        trade,
        step("fdo.command", command="/bin/sh", args=["-c", "echo to $0", "out"]),
        step("fdo.command", command="/bin/sh", args=["-c", "echo again >&2"]),
    )
    assert (first["exit_code"], first["stdout"].strip()) == (0, "to out")
    assert (second["exit_code"], second["stderr"].strip()) == (0, "again")


@pytest.mark.interop(PAIR, title=TITLE)
def test_fdo_wget_fetches_from_elsewhere(
    device: GoClient, trade: Trade, site: str
) -> None:
    digest = hashlib.sha384(CONTENT).hexdigest()
    url, length = f"{site}/agent", len(CONTENT)
    wanted = step("fdo.wget", url=url, sha384=digest, length=length)
    (fetched,) = onboarded(device, trade, wanted)
    assert fetched["bytes"] == len(CONTENT)
    assert (device.directory / "agent").read_bytes() == CONTENT


@pytest.mark.interop(PAIR, title=TITLE)
def test_a_module_that_it_lacks_is_skipped_or_fails_the_run(
    device: GoClient, trade: Trade
) -> None:
    skipped, done = onboarded(
        device,
        trade,
        step("fdo.csr", required=False),
        step("fdo.download", name="after", text="after"),
    )
    assert (skipped["offered"], skipped["ok"], done["ok"]) == (False, False, True)


@pytest.mark.interop(PAIR, title=TITLE)
def test_fido_alliance_ends_in_its_module_which_can_read_no_token(
    device: GoClient, trade: Trade
) -> None:
    """A fault of this version: it decodes into a text and not into where one is."""
    name = device.serial.lower()
    steps = [step("fido_alliance")]
    trade.owner.call("POST", "/service-info/plans", {"name": name, "steps": steps})
    guid = trade.buy(device.serial, device.algorithm)
    trade.owner.call("PUT", f"/devices/{guid}/service-info", {"plan": name})
    ran = device.onboard("ECDH256", "A128GCM", "--enable-interop-test")
    said = "type for decoding must be a non-nil pointer value, got string"
    assert said in ran.output, ran.output
    assert device.guid() == guid
    assert trade.reached(guid, "registered")


@pytest.mark.interop(PAIR, title=TITLE)
def test_fido_alliance_is_skipped_where_it_was_not_enabled(
    device: GoClient, trade: Trade
) -> None:
    skipped, done = onboarded(
        device,
        trade,
        step("fido_alliance", required=False),
        step("fdo.download", name="after", text="after"),
    )
    assert (skipped["offered"], skipped["ok"], done["ok"]) == (False, False, True)
