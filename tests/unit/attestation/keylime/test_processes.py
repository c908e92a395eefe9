"""No process of a program outlives its holder, however stubborn, however it ends."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from attestation.keylime.errors import KeylimeStartError
from attestation.keylime.processes import Program

SECONDS = 120.0
# Behaves as Keylime does: the parent and a child turn a deaf ear to polite signals.
STUBBORN = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGINT, signal.SIG_IGN)
child = os.fork()
if child:
    print("started", flush=True)
time.sleep(600)
"""
HOLDER = """
import sys, time
from pathlib import Path
from attestation.keylime.processes import Program
directory = Path(sys.argv[1])
program = Program([sys.executable, "-c", sys.argv[2]], {}, directory,
                  directory / "log", 0.3)
program.wait_started(120)
while b"started" not in (directory / "log").read_bytes():
    time.sleep(0.01)
print(program.group, flush=True)
time.sleep(600)
"""


def members(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def soon(group: int) -> bool:
    """Whether the group is gone within the time allowed."""
    deadline = time.monotonic() + SECONDS
    while members(group) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not members(group)


def launch(directory: Path, source: str) -> Program:
    command = [sys.executable, "-c", source]
    program = Program(command, {}, directory, directory / "log", 0.3)
    program.wait_started(SECONDS)
    return program


def wait_for(program: Program, words: str) -> None:
    deadline = time.monotonic() + SECONDS
    while words not in program.log_tail() and time.monotonic() < deadline:
        time.sleep(0.01)


def let_end(program: Program) -> None:
    deadline = time.monotonic() + SECONDS
    while program.running() and time.monotonic() < deadline:
        time.sleep(0.01)
    program.stop()


@pytest.fixture
def stubborn(tmp_path: Path) -> Iterator[Program]:
    program = launch(tmp_path, STUBBORN)
    wait_for(program, "started")
    yield program
    program.stop()


def test_stop_ends_children_that_ignore_polite_signals(stubborn: Program) -> None:
    assert members(stubborn.group)
    stubborn.stop()
    assert not members(stubborn.group)
    assert not stubborn.running()


def test_stop_may_be_called_twice(stubborn: Program) -> None:
    stubborn.stop()
    stubborn.stop()


def test_stop_works_when_the_supervisor_was_killed(stubborn: Program) -> None:
    supervisor = int(Path(f"/proc/{stubborn.group}/stat").read_text().split()[3])
    os.kill(supervisor, signal.SIGKILL)
    stubborn.stop()
    assert soon(stubborn.group)


def test_the_group_ends_when_the_supervisor_is_killed(stubborn: Program) -> None:
    status = Path(f"/proc/{stubborn.group}/stat").read_text().split()
    environment = Path(f"/proc/{stubborn.group}/environ").read_bytes().split(b"\0")
    (runtime,) = (v[16:] for v in environment if v.startswith(b"XDG_RUNTIME_DIR="))
    os.kill(int(status[3]), signal.SIGKILL)
    assert soon(stubborn.group)
    deadline = time.monotonic() + SECONDS
    while os.path.exists(runtime) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not os.path.exists(runtime)


def test_the_group_ends_when_supervisor_and_holder_are_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path), STUBBORN]
    with subprocess.Popen(  # noqa: S603 - our own program
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as holder:
        assert holder.stdout is not None
        group = int(holder.stdout.readline())
        os.kill(int(Path(f"/proc/{group}/stat").read_text().split()[3]), signal.SIGKILL)
        holder.kill()
    assert soon(group)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_the_group_ends_when_its_holder_is_killed(tmp_path: Path, number: int) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path), STUBBORN]
    with subprocess.Popen(  # noqa: S603 - our own program
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as holder:
        assert holder.stdout is not None
        group = int(holder.stdout.readline())
        assert members(group)
        holder.send_signal(number)
    assert soon(group)


def test_a_program_that_ends_takes_its_children_along(tmp_path: Path) -> None:
    source = "import os, time\nif os.fork() == 0: time.sleep(600)\nos._exit(3)"
    program = launch(tmp_path, source)
    try:
        assert soon(program.group)
    finally:
        program.stop()


def test_the_runtime_directory_is_private_short_and_removed(tmp_path: Path) -> None:
    source = (
        "import os; d = os.environ['XDG_RUNTIME_DIR'];"
        "print(oct(os.stat(d).st_mode), len(d), d, flush=True)"
    )
    program = launch(tmp_path, source)
    let_end(program)
    mode, length, directory = program.log_tail().split()
    assert mode == "0o40700"
    assert int(length) < 60
    assert not Path(directory).exists()


def test_what_a_program_wrote_is_told(tmp_path: Path) -> None:
    program = launch(tmp_path, "import sys; sys.exit('no database')")
    let_end(program)
    assert program.log_tail() == "no database"


def test_a_program_that_cannot_be_run_is_an_error(tmp_path: Path) -> None:
    program = Program(["/nonexistent"], {}, tmp_path, tmp_path / "log", 0.3)
    with pytest.raises(KeylimeStartError, match="nonexistent"):
        program.wait_started(SECONDS)
    program.stop()
