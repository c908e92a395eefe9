"""Plug-ins that are broken: named in the log and by doctor, and left out."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from onboarding.cli.app import run
from onboarding.device.modules.together import DeviceModules
from onboarding.plugins import DEVICE_GROUP, OWNER_GROUP, load
from ownership_vouchers.types import Guid
from tests.support.plugins import BROKEN, NO_MODULE, RAISES, Installed, machine_with

MOTD = "com.example.motd"


def test_doctor_and_log_name_a_plug_in_that_does_not_load(
    installed: Installed,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("VOUCHGATE_DATABASE_URL", f"sqlite:///{tmp_path}/none.db")
    installed.example()

    def found(code: int) -> dict[str, str]:
        assert run(["doctor", "--role", "rendezvous", "--json"]) == code
        checks = json.loads(capsys.readouterr().out)["checks"]
        (one,) = [check for check in checks if check["name"] == "plug-ins"]
        return dict(one)

    assert found(0) == {
        "name": "plug-ins",
        "health": "ok",
        "detail": MOTD,
        "mend": None,
    }
    installed.package("sick", DEVICE_GROUP, "com.example.sick", BROKEN)
    installed.package("ours", OWNER_GROUP, "fdo.download", RAISES)
    with caplog.at_level(logging.ERROR):
        bad = found(1)
    assert bad["health"] == "bad"
    for why in ("com.example.sick: ModuleNotFoundError", "fdo.download: ValueError"):
        assert why in bad["detail"]
    assert "plug-in sick:make does not load" in caplog.text


def test_a_device_goes_without_a_plug_in_that_it_cannot_have(
    installed: Installed, tmp_path: Path
) -> None:
    installed.package("sick", DEVICE_GROUP, "com.example.sick", BROKEN)
    installed.package("raises", DEVICE_GROUP, "com.example.raises", RAISES)
    wanted: dict[str, Any] = {
        "com.example.sick": {},
        "com.example.raises": {},
        "com.example.none": {},
    }
    with machine_with(tmp_path / "device", wanted) as machine:
        modules = DeviceModules.of(machine, Guid(bytes(16)))
    assert not {one.name for one in modules.all} & wanted.keys()
    said = [str(one) for one in modules.journal.failures]
    assert ["ModuleNotFoundError" in said[0], "no module today" in said[1]] == [
        True
    ] * 2
    assert said[2] == "com.example.none: plug-in is not installed"


def test_two_packages_that_bring_one_module_bring_none(installed: Installed) -> None:
    for name in ("first", "second"):
        installed.package(name, OWNER_GROUP, "com.example.twice", NO_MODULE)
    plugins = load(OWNER_GROUP)
    assert "com.example.twice" not in plugins.found
    assert "two packages" in plugins.broken["com.example.twice"]
