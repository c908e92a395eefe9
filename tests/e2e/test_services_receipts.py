"""What each delivery of a ServiceInfo plan left behind, over real HTTP."""

import sys
from pathlib import Path

import pytest

from onboarding.device.errors import DeviceError
from onboarding.protocol.errors import PeerFailed, error_message
from onboarding.protocol.step import Send
from onboarding.wire.message import MsgType
from tests.support.fdo_chain import Chain
from tests.support.plans import ask, call, deliveries, give, onboard, step, store, text
from tests.support.services import Wire

pytest_plugins = ["tests.support.plan_fixtures"]


def test_each_run_leaves_receipts_the_failed_ones_too(
    chain: Chain, tmp_path: Path
) -> None:
    device = chain.bought()
    store(
        chain,
        "receipts",
        text("id", "{serial}"),
        step("fdo.upload", name=str(tmp_path / "id")),
        step("fdo.command", command=sys.executable, args=["-c", "print(1); exit(3)"]),
        text("never", ""),
    )
    give(chain, device, "receipts")
    with pytest.raises(PeerFailed):
        onboard(chain, device, tmp_path)
    (failed,) = deliveries(chain, device)
    assert (failed["completed"], failed["stopped_at"]) == (False, "message 68")
    assert failed["plan"].startswith("receipts@1@")
    assert "fdo.command" in failed["error"]
    assert "exit code 3" in failed["error"]
    _, down, up, run, never = failed["modules"]
    assert (down["bytes"], down["ok"]) == (4, True)
    assert (run["ok"], run["exit_code"], run["stdout"]) == (False, 3, "1\n")
    assert (never["offered"], never["error"]) == (False, "was not reached")
    path = f"/devices/{device.credential.guid}/deliveries/{failed['run']}"
    came = call(chain, "GET", f"{path}/{up['position']}")
    assert (came.content, came.headers["content-disposition"]) == (
        b"SN-1",
        "attachment",
    )
    assert call(chain, "GET", f"{path}/0").status_code == 404
    give(chain, device, None)
    onboard(chain, device, tmp_path)
    good, before = deliveries(chain, device)
    assert (good["completed"], good["plan"], good["error"]) == (True, None, None)
    assert before == failed


def test_a_run_that_is_refused_at_its_very_end_leaves_receipts(
    chain: Chain, tmp_path: Path
) -> None:
    device = chain.bought()
    store(chain, "late", text("a", "there"))
    give(chain, device, "late")
    wire = Wire.to(chain.owner.url)

    def retire(move: Send, _token: str | None) -> None:
        if move.type is MsgType.TO2_DONE:
            path = f"/devices/{device.credential.guid}/retire"
            ask(chain, "POST", path, json={"reason": "stolen on its way"})

    wire.before = retire
    with pytest.raises(PeerFailed):
        onboard(chain, device, tmp_path, wire=wire)
    (refused,) = deliveries(chain, device)
    assert (refused["completed"], refused["stopped_at"]) == (False, "message 70")
    assert "sold or scrapped" in refused["error"]
    assert refused["modules"][-1]["ok"]


def test_a_device_that_ends_the_run_itself_leaves_receipts_too(
    chain: Chain, tmp_path: Path
) -> None:
    device = chain.bought()
    store(chain, "ended", text("a", "x" * 5000))
    give(chain, device, "ended")
    wire = Wire.to(chain.owner.url)

    def give_up(move: Send, token: str | None) -> None:
        if wire.sent.count((int(move.type), move.body)) == 0 and len(wire.sent) > 8:
            error = error_message(DeviceError("no"), 69, 0)
            wire.post(MsgType.ERROR, error, token)
            raise KeyboardInterrupt

    wire.before = give_up
    with pytest.raises(KeyboardInterrupt):
        onboard(chain, device, tmp_path, wire=wire)
    (failed,) = deliveries(chain, device)
    assert failed["stopped_at"].startswith("the device reported")
    assert failed["modules"][-1]["error"] == "was under way"


def test_an_optional_module_that_fails_is_recorded_and_left_out(
    chain: Chain, tmp_path: Path
) -> None:
    device = chain.bought()
    store(
        chain,
        "lenient",
        step("fdo.wget", False, url="https://files.example.test/a"),
        step("fdo.command", False, command="/bin/false"),
        text("a", "there"),
    )
    give(chain, device, "lenient")
    onboard(chain, device, tmp_path)
    shown = ask(chain, "GET", f"/devices/{device.credential.guid}")["modules"]
    assert [one["ok"] for one in shown[-3:]] == [False, False, True]
    assert "does not have it" in shown[-3]["detail"]
    assert "126" in shown[-2]["detail"]
    why = ask(chain, "GET", f"/diagnosis?guid={device.credential.guid}")
    assert "fdo.command" in str(why)  # it says that something was left out
