"""What Keylime's verifier says of logs when it runs our engine."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.boot_logs import recorded_pcrs
from tests.support.booted import BOOT

ROOT = Path(__file__).parents[4]
REFUSED = {
    "another boot": ("not_listed", 'the policy has kernel command line: "quiet"'),
    "no log": ("not_judged", "none was sent"),
    "no base64": ("unreadable", "not one"),
    "no event log": ("unreadable", "not one"),
    "a long log": ("unreadable", "over"),
    "another bank": ("not_judged", "not over the bank sha256"),
    "a bank without digests": ("unreadable", "sha512"),
    "a PCR that was not quoted": ("not_judged", "PCR 7 was not held"),
    "a reference that lists no boot": ("not_judged", "lists no boot"),
    "no reference": ("not_judged", "boot reference"),
    "a reference of Keylime's": ("not_judged", "boot reference"),
    "a reference written otherwise": ("not_judged", "not written as we write it"),
}


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    pytest.importorskip("keylime.failure")
    command = [sys.executable, "-m", "tests.support.engine_cases"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)  # noqa: S603
    found: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return found


def test_a_boot_that_is_listed_is_no_failure(told: dict[str, Any]) -> None:
    assert told["said"]["the boot"] == []


def test_a_log_gives_the_pcrs_that_the_tpm_had(told: dict[str, Any]) -> None:
    values = {int(pcr): value.to_bytes(32) for pcr, value in told["values"].items()}
    had = recorded_pcrs(BOOT)
    assert values == {pcr: had[pcr] for pcr in values}
    assert values.keys() >= {*range(10), 14}


@pytest.mark.parametrize("case", REFUSED)
def test_anything_else_is_one_failure_at_least(case: str, told: dict[str, Any]) -> None:
    kind, words = REFUSED[case]
    (event, message), *_ = told["said"][case]
    assert event == f"measured_boot.{kind}"
    assert words in message
