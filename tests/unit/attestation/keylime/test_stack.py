"""The stack starts whole or not at all, again and again, and stops without a trace."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from attestation.keylime.directory import drop_unfinished
from attestation.keylime.errors import KeylimeStartError
from attestation.keylime.launch import PROGRAMS, program_path
from attestation.keylime.settings import StackOptions
from attestation.keylime.stack import KeylimeStack

SECONDS = 120.0
HOLDER = """
import sys, time
from pathlib import Path
from attestation.keylime.stack import KeylimeStack
with KeylimeStack(Path(sys.argv[1])) as stack:
    print(*stack.process_groups, flush=True)
    time.sleep(600)
"""


@pytest.fixture(autouse=True, scope="module")
def _keylime_is_installed() -> None:
    try:
        for name in PROGRAMS:
            program_path(name)
    except KeylimeStartError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stack")


@pytest.fixture(scope="module")
def running(directory: Path) -> Iterator[KeylimeStack]:
    """One in ``directory``, started while our environment held a secret."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VOUCHGATE_SECRET", "not for Keylime")
        stack = KeylimeStack(directory)
        stack.start()
    yield stack
    stack.stop()


def gone(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


def test_it_starts_again_on_the_same_databases(tmp_path: Path) -> None:
    stack = KeylimeStack(tmp_path)
    for _ in range(2):
        with stack:
            groups = stack.process_groups
            with pytest.raises(KeylimeStartError, match="already"):
                stack.start()
        assert all(map(gone, groups))
    assert stack.process_groups == ()
    with pytest.raises(KeylimeStartError, match="not running"):
        stack.client_settings()


def test_nothing_of_our_environment_reaches_keylime(running: KeylimeStack) -> None:
    for group in running.process_groups:
        environment = Path(f"/proc/{group}/environ").read_bytes()
        assert b"KEYLIME_DIR" in environment
        assert b"VOUCHGATE_SECRET" not in environment


def test_a_start_that_takes_too_long_leaves_nothing(tmp_path: Path) -> None:
    stack = KeylimeStack(tmp_path, StackOptions(start_timeout=0.2))
    with pytest.raises(KeylimeStartError):
        stack.start()
    assert stack.process_groups == ()
    assert not processes_in(tmp_path)


def test_a_program_that_ends_at_start_is_told(tmp_path: Path) -> None:
    (tmp_path / "verifier" / "cv_data.sqlite").mkdir(parents=True)
    with pytest.raises(KeylimeStartError, match="Keylime ended at start"):
        KeylimeStack(tmp_path).start()
    assert not processes_in(tmp_path)


def test_one_directory_is_for_one_stack(running: KeylimeStack, directory: Path) -> None:
    second = KeylimeStack(directory, StackOptions(stop_grace=0.1))
    with pytest.raises(KeylimeStartError, match="another stack runs in"):
        second.start()
    assert not any(map(gone, running.process_groups))


def test_it_starts_again_where_a_first_start_was_cut_short(tmp_path: Path) -> None:
    half_made = tmp_path / "registrar/reg_data.sqlite"
    half_made.parent.mkdir()
    with closing(sqlite3.connect(half_made)) as database:
        database.execute("CREATE TABLE registrarmain (agent_id TEXT)")
    with KeylimeStack(tmp_path) as stack:
        assert stack.process_groups
    whole = half_made.read_bytes()
    drop_unfinished(tmp_path)
    assert half_made.read_bytes() == whole  # a stack that came up keeps its own


def test_a_directory_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(KeylimeStartError, match="cannot run in"):
        KeylimeStack(tmp_path / "file").start()
    (tmp_path / "registrar.conf").mkdir()
    with pytest.raises(KeylimeStartError, match="cannot run in"):
        KeylimeStack(tmp_path).start()
    assert not processes_in(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_no_process_is_left_when_we_are_stopped(tmp_path: Path, number: int) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(  # noqa: S603 - our own program
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as holder:
        assert holder.stdout is not None
        groups = [int(group) for group in holder.stdout.readline().split()]
        assert len(groups) == len(PROGRAMS)
        holder.send_signal(number)
    deadline = time.monotonic() + SECONDS
    while processes_in(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert all(map(gone, groups))
    assert not processes_in(tmp_path)


def processes_in(directory: Path) -> list[str]:
    """Processes whose environment or arguments name the directory, but ours."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "environ").read_bytes()
            words += (process / "cmdline").read_bytes()
        except OSError:
            continue
        if str(directory).encode() in words and process.name != str(os.getpid()):
            found.append(process.name)
    return found
