"""``vouchgate device log`` on recorded logs: what it prints and how it ends."""

import json
from pathlib import Path
from typing import Any

import pytest

from onboarding.cli.app import run
from tests.support.boot_logs import FOLDER, recorded_pcrs
from tests.support.ima_lists import ENTRIES, extended

LOG = str(FOLDER / "secure-boot.evlog")
LIST = b"".join(one.line() for one in ENTRIES)


@pytest.fixture
def pcrs(tmp_path: Path) -> Path:
    return write(tmp_path, {10: extended(ENTRIES, "sha256")})


def write(tmp_path: Path, changed: dict[int, bytes]) -> Path:
    values = recorded_pcrs("secure-boot") | changed
    path = tmp_path / "pcrs.json"
    path.write_text(json.dumps({str(pcr): one.hex() for pcr, one in values.items()}))
    return path


def told(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def test_a_log_that_agrees_is_told_event_by_event(
    pcrs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["device", "log", "--uefi", LOG, "--pcrs", str(pcrs)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert (
        "   4 PCR  7 EV_EFI_VARIABLE_DRIVER_CONFIG SecureBoot = on [as measured]"
        in lines
    )
    assert '  38 PCR  9 EV_IPL "(hd0,gpt1)/vmlinuz" [only a description]' in lines
    assert "as the log gives them: PCR 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 14" in lines
    assert lines[-1] == "the IMA list is not compared"


def test_a_pcr_that_differs_is_named_and_ends_with_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, {8: bytes(32)})
    assert run(["device", "log", "--uefi", LOG, "--pcrs", str(path), "--json"]) == 1
    document = told(capsys)
    assert document["good"] is False
    assert [one["pcr"] for one in document["differing"]] == [8]
    assert "kernel_cmdline: /vmlinuz" in document["differing"][0]["why"]


def test_an_ima_list_is_held_against_pcr_10(
    pcrs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "ima"
    command = ["device", "log", "--uefi", LOG, "--ima", str(path)]
    command += ["--pcrs", str(pcrs), "--json"]
    path.write_bytes(LIST)
    assert run(command) == 0
    assert told(capsys)["ima"].startswith(
        "PCR 10 is what 9 entries of the IMA list give"
    )
    path.write_bytes(b"".join(one.line() for one in ENTRIES[1:]))
    assert run(command) == 1
    assert "after none of its entries" in told(capsys)["ima"]


def test_a_bank_that_the_log_has_not_is_an_error(
    pcrs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["device", "log", "--uefi", LOG, "--pcrs", str(pcrs), "--bank", "sha384"]
    assert run(command) != 0
    assert "PCR 0 has 32 bytes, not 48" in capsys.readouterr().err


@pytest.mark.parametrize("content", ["", "[]", '{"0": 1}', '{"0": "zz"}', '{"24": ""}'])
def test_pcrs_that_are_none_cannot_be_used(
    content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "pcrs.json"
    path.write_text(content)
    assert run(["device", "log", "--uefi", LOG, "--pcrs", str(path)]) == 2
    assert "pcrs.json" in capsys.readouterr().err


def test_a_file_that_is_no_log_cannot_be_used(
    pcrs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["device", "log", "--uefi", str(pcrs), "--pcrs", str(pcrs)]) == 2
    assert "not an event log" in capsys.readouterr().err
    assert run(["device", "log", "--uefi", "absent", "--pcrs", str(pcrs)]) == 2
    assert "cannot be read at absent" in capsys.readouterr().err
