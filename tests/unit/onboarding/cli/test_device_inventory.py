"""``vouchgate device inventory`` on recorded machines, and on this one."""

import json
from pathlib import Path
from typing import Any

import pytest

from onboarding.cli.app import run
from onboarding.cli.device_inventory import board_of
from tests.support.machine_trees import MACHINES, PI, planted


def told(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def test_a_raspberry_pi_with_a_hat_shows_nothing_of_its_boot(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    planted(tmp_path, MACHINES["raspberry-pi-tpm-hat"])
    assert run(["device", "inventory", "--root", str(tmp_path), "--json"]) == 0
    document = told(capsys)
    assert document["board"] == "raspberry-pi-tpm-hat"
    assert document["assurance"] == "tpm-without-measured-boot"
    assert "anything of its boot" in document["cannot_show"]
    assert document["machine"]["nics"][0]["mac"] == "dc:a6:32:01:02:03"


def test_a_board_that_is_named_shows_no_more_than_what_is_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    planted(tmp_path, PI)
    command = ["device", "inventory", "--root", str(tmp_path), "--json"]
    assert run([*command, "--board", "uefi-server-tpm"]) == 0
    document = told(capsys)
    assert document["assurance"] == "no-tpm"
    assert document["board_promises"] == "measured-boot"


def test_a_virtual_machine_shows_no_more_than_its_host_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    planted(tmp_path, MACHINES["qemu-swtpm"])
    assert run(["device", "inventory", "--root", str(tmp_path), "--json"]) == 0
    document = told(capsys)
    assert (document["board"], document["assurance"]) == ("qemu-swtpm", "measured-boot")
    assert "its host, which can make all of it up" in document["cannot_show"]


def test_without_a_tpm_di_finds_no_board_that_has_one() -> None:
    assert board_of("auto", None) in ("generic-no-tpm", "raspberry-pi")
    assert board_of("generic-server-tpm", None) == "generic-server-tpm"
