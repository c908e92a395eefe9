"""Run one program and outlive nobody: its whole process group ends when stdin does.

A stand-alone script (it imports nothing of ours, so that it starts in milliseconds):
``python -I -S supervisor.py GRACE_SECONDS program argument...``

Keylime's parent process ignores SIGTERM and SIGINT and leaves its workers behind when
it is killed, so somebody has to hold the group together. The holder of our stdin pipe
is the lifeline: whether it closes the pipe, exits, or is killed with SIGKILL, we read
end-of-file. PR_SET_PDEATHSIG would not do: it fires when the *thread* that started us
ends, and forked workers do not inherit it. Should we be killed ourselves, a guard that
we forked reads end-of-file in its turn and kills the group.

The first line on stdout is the program's process id, which is also its group's id, and
the private runtime directory that we make for it and remove again.
"""

import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

PR_SET_CHILD_SUBREAPER = 36
POLL_SECONDS = 0.02
MAX_DESCRIPTORS = 1 << 16
SHARED_SOCKET_DIRECTORY = "/run/keylime"


def main(arguments: list[str]) -> int:
    """Run ``arguments[1:]``; return its exit status once its group is gone."""
    grace = float(arguments[0])
    # Orphaned workers come to us rather than to process 1, so we can reap them.
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    wake = _pipe_written_by_signals()
    runtime = tempfile.mkdtemp(prefix="vg-")
    try:
        return _supervise(arguments[1:], runtime, grace, wake)
    finally:
        shutil.rmtree(runtime, ignore_errors=True)


def _pipe_written_by_signals() -> int:
    """Make polite signals readable, so that none can strike between two steps."""
    readable, writable = os.pipe()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: os.write(writable, b"."))
    return readable


def _supervise(command: list[str], runtime: str, grace: float, wake: int) -> int:
    # Keylime keeps a Unix socket there, and such paths end at 107 characters.
    environment = {**os.environ, "XDG_RUNTIME_DIR": runtime}
    child = subprocess.Popen(  # noqa: S603 - the command is our own caller's
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=2,  # our stdout is the answer pipe, stderr is the log
        start_new_session=True,
    )
    guard = _post_guard(child.pid, runtime)
    try:
        os.write(1, f"{child.pid} {runtime}\n".encode())
        _wait_for_end(os.pidfd_open(child.pid), wake)
    except BrokenPipeError:
        pass  # Our holder has gone already: the group follows.
    finally:
        status = _end_group(child, grace)
        _dismiss(guard)
        _reap_orphans(time.monotonic() + grace)
        _remove_shared_socket(child.pid)
    return status


def _post_guard(group: int, runtime: str) -> int:
    """Fork the guard; return the descriptor by which it is dismissed."""
    readable, writable = os.pipe()
    if os.fork():
        os.close(readable)
        return writable
    try:
        os.setsid()  # Away from whatever signals reach us.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        os.dup2(readable, 0)
        os.closerange(1, MAX_DESCRIPTORS)  # Hold no pipe or lock open.
        if not os.read(0, 1):
            _signal_group(group, signal.SIGKILL)
            _remove_shared_socket(group)
            shutil.rmtree(runtime, ignore_errors=True)
    finally:
        os._exit(0)


def _dismiss(guard: int) -> None:
    try:
        os.write(guard, b".")
    except BrokenPipeError:
        pass  # Somebody has killed it.


def _wait_for_end(program: int, wake: int) -> None:
    """Return when the program has ended, a signal came, or our stdin has ended."""
    while True:
        ready, _, _ = select.select([0, program, wake], [], [])
        if ready != [0] or not os.read(0, 4096):
            return


def _end_group(child: "subprocess.Popen[bytes]", grace: float) -> int:
    """Ask the whole group to stop, then make it; return the program's status."""
    _signal_group(child.pid, signal.SIGTERM)
    deadline = time.monotonic() + grace
    while child.poll() is None and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    _signal_group(child.pid, signal.SIGKILL)
    status = child.wait()
    return status if status >= 0 else 128 - status


def _signal_group(group: int, number: int) -> None:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        pass


def _reap_orphans(deadline: float) -> None:
    while time.monotonic() < deadline:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(POLL_SECONDS)
        except ChildProcessError:
            return


def _remove_shared_socket(program: int) -> None:
    """Keylime run by root puts its socket here instead, and SIGKILL leaves it."""
    try:
        os.unlink(f"{SHARED_SOCKET_DIRECTORY}/shared_data.{program}.sock")
    except OSError:
        pass


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
