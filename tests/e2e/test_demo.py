"""``vouchgate demo`` as a user runs it: all of it, and cut short."""

import json
import os
import shlex
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.keylime_stack import require_keylime
from tests.support.processes import processes_using
from tests.support.swtpm import require_swtpm

DEMO = [sys.executable, "-m", "onboarding.cli", "demo"]
SECONDS = 15 * 60  # of patience; it takes less than one minute
STEPS = (
    "Three services, Keylime and three TPMs start",
    "Each party sets its service up",
    "Device initialisation of the board",
    "Device initialisation of the server",
    "Passport of the board",
    "Passport of the server",
    "The manufacturer extends the vouchers to the owner",
    "The owner imports them through its API",
    "TO0: the owner registers both devices",
    "TO1 and TO2 of the board",
    "TO1 and TO2 of the server",
    "The board's three keys are one TPM",
    "The server's three keys are one TPM",
    "The board, ECC AK, over the evidence channel",
    "The server is enrolled with the keys that were bound",
    "The server, RSA AK, over Keylime's push protocol",
    "The board fetches and applies its manifests",
    "The server fetches and applies its manifests",
    "The server attests again and has its release back",
    "The board's release is withdrawn; it removes its manifests",
    "The server stays released",
)
# What the refusing service must have said, by case.
REFUSALS = {
    "a": ("pcr_validation.invalid_pcr_8",),
    "b": ("error 101 to message 32", "ek-not-the-passports"),
    "c": ("check “entries” fails",),
    "d": (" s old, limit 8 s",),
}


@dataclass(frozen=True)
class Run:
    """A demonstration that is over."""

    code: int
    output: str
    result: dict[str, Any]
    home: Path


@pytest.fixture(autouse=True, scope="module")
def _equipment() -> None:
    require_swtpm()
    require_keylime()


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One whole demonstration, which these tests look at from several sides."""
    home = tmp_path_factory.mktemp("demo")
    result = home / "result.json"
    done = subprocess.run(  # noqa: S603 - our own command
        [*DEMO, "--json", str(result)],
        env={**os.environ, "TMPDIR": str(home), "COLUMNS": "100"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    return Run(
        done.returncode, done.stdout + done.stderr, json.loads(result.read_text()), home
    )


def test_every_step_happens(played: Run) -> None:
    happened = {str(one["name"]) for one in played.result["steps"] if one["ok"]}
    assert happened == set(STEPS), played.output
    assert (played.code, played.result["ok"]) == (0, True)


@pytest.mark.parametrize("case", REFUSALS)
def test_every_refusal_happens_for_its_own_reason(played: Run, case: str) -> None:
    found = [one for one in played.result["refusals"] if one["case"] == case]
    assert all(one["ok"] for one in found)
    told = [str(one["detail"]) for one in found]
    assert len(told) == len(REFUSALS[case])
    for words, wanted in zip(told, REFUSALS[case], strict=True):
        assert wanted in words


def test_every_entry_says_how_long_it_took_and_what_came_of_it(played: Run) -> None:
    for entry in (*played.result["steps"], *played.result["refusals"]):
        assert isinstance(entry["seconds"], float)
        assert entry["detail"]


def test_the_timeline_is_what_a_person_sees(played: Run) -> None:
    assert "All of it happened" in played.output
    assert "Traceback" not in played.output
    assert all(step.split(":")[0] in played.output for step in STEPS)


def test_nothing_of_it_is_left(played: Run) -> None:
    assert [path.name for path in played.home.iterdir()] == ["result.json"]
    assert processes_using(played.home) == []


@pytest.fixture
def running(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """A demonstration in a process group of its own, as in a terminal."""
    with subprocess.Popen(  # noqa: S603 - our own command
        [*DEMO, "--json", str(tmp_path / "result.json")],
        env={**os.environ, "TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        yield process
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def read_until(process: "subprocess.Popen[str]", words: str) -> None:
    """Read what the demonstration prints until ``words`` come."""
    assert process.stdout is not None
    for line in process.stdout:
        if words in line:
            return
    pytest.fail(f"the demonstration ended before {words!r}")


@pytest.mark.parametrize("moment", ["Set-up", "5  Attestation"])
def test_ctrl_c_leaves_no_process_and_no_lock(
    running: "subprocess.Popen[str]", tmp_path: Path, moment: str
) -> None:
    read_until(running, moment)
    os.killpg(running.pid, signal.SIGINT)
    rest, _ = running.communicate(timeout=SECONDS)
    assert running.returncode == 130
    assert "Traceback" not in rest
    assert processes_using(tmp_path) == []
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]
    assert json.loads((tmp_path / "result.json").read_text())["ok"] is False


def test_being_killed_outright_leaves_no_process(
    running: "subprocess.Popen[str]", tmp_path: Path
) -> None:
    read_until(running, "1  Factory")
    running.kill()
    running.communicate(timeout=SECONDS)
    deadline = time.monotonic() + SECONDS
    while processes_using(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert processes_using(tmp_path) == []


@pytest.fixture
def kept(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """A demonstration that is to leave everything running."""
    with subprocess.Popen(  # noqa: S603 - our own command
        [*DEMO, "--keep", "--json", str(tmp_path / "result.json")],
        env={**os.environ, "TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        yield process
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def left_running(process: "subprocess.Popen[str]") -> dict[str, str]:
    """What is said to keep running: address or command, by its name."""
    read_until(process, "Everything keeps running until Ctrl-C")
    found: dict[str, str] = {}
    assert process.stdout is not None
    while found.keys() != KEPT:
        name, what = process.stdout.readline().split(maxsplit=1)
        found[name] = what.split("  ")[0].strip()
    return found


KEPT = {"manufacturing", "rendezvous", "owner", "verifier", "registrar"}
KEPT |= {"board", "server"}


def answers(name: str, what: str, owner: str) -> bool:
    """Whether somebody is there, as a person would find out."""
    if name in ("board", "server"):
        command = [sys.executable, "-m", "onboarding.cli", *shlex.split(what)[1:]]
        told = subprocess.run(  # noqa: S603 - our own command
            command, capture_output=True, text=True, timeout=SECONDS, check=False
        )
        return told.returncode == 0 and f"owner  {owner}" in told.stdout
    url = httpx.URL(what)
    if url.scheme == "http":
        return httpx.get(url.join("/healthz"), trust_env=False).status_code == 200
    assert url.port is not None  # mutual TLS: that it shows its own part will do
    return "CERTIFICATE" in ssl.get_server_certificate((url.host, url.port))


def test_what_is_kept_answers_until_ctrl_c_which_leaves_no_process(
    kept: "subprocess.Popen[str]", tmp_path: Path
) -> None:
    running = left_running(kept)
    owner = running["owner"]
    silent = [name for name in running if not answers(name, running[name], owner)]
    assert silent == []
    assert processes_using(tmp_path) != []
    os.killpg(kept.pid, signal.SIGINT)
    rest, _ = kept.communicate(timeout=SECONDS)
    assert (kept.returncode, "Traceback" in rest) == (0, False)
    assert processes_using(tmp_path) == []
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]
    assert json.loads((tmp_path / "result.json").read_text())["ok"] is True


def test_a_directory_in_use_is_refused(tmp_path: Path) -> None:
    (tmp_path / "something").touch()
    done = subprocess.run(  # noqa: S603 - our own command
        [*DEMO, "--directory", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 2
    assert "not empty" in done.stderr
