"""Running one program: no shell, a deadline, and only the end of what it says."""

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

TIMED_OUT, NOT_PERMITTED, NOT_FOUND = 124, 126, 127  # as shells say it
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
_GRACE = 0.2  # seconds for output of a program that has ended
_PIECE = 65536


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended; a signal n is exit code 128 + n, as shells have it.

    ``stdout`` and ``stderr`` are the last bytes of each.
    """

    exit_code: int
    stdout: bytes = field(default=b"", repr=False)
    stderr: bytes = field(default=b"", repr=False)


def run(argv: Sequence[str], seconds: float, tail: int) -> Ended:
    """Run ``argv`` with no input and a bare environment, in a group of its own.

    Args:
        seconds: After these it is killed with all it has started: exit code 124.
        tail: Bytes kept of each output.
    """
    try:
        process = subprocess.Popen(  # noqa: S603 - no shell; the caller permits it
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_ENVIRONMENT,
            cwd="/",
            start_new_session=True,
        )
    except FileNotFoundError:
        return Ended(NOT_FOUND)
    except (OSError, ValueError) as error:
        return Ended(NOT_PERMITTED, stderr=str(error).encode()[:tail])
    with process:
        reader = _Reader(process, tail)
        in_time = reader.read_until(time.monotonic() + seconds)
        _kill_group(process.pid)  # whatever it left behind goes with it
        code = process.wait()
        reader.drain()
        reader.close()
    if not in_time:
        return Ended(TIMED_OUT, *reader.tails)
    return Ended(code if code >= 0 else 128 - code, *reader.tails)


class _Reader:
    """Reads both outputs as they come, so that neither can block the program."""

    def __init__(self, process: subprocess.Popen[bytes], tail: int) -> None:
        self._process = process
        self._tail = tail
        self._selector = selectors.DefaultSelector()
        self._kept = {}
        for number, pipe in enumerate((process.stdout, process.stderr)):
            assert pipe is not None  # noqa: S101 - both were asked for
            os.set_blocking(pipe.fileno(), False)
            self._selector.register(pipe.fileno(), selectors.EVENT_READ, number)
            self._kept[number] = b""

    @property
    def tails(self) -> tuple[bytes, bytes]:
        return self._kept[0], self._kept[1]

    def read_until(self, deadline: float) -> bool:
        """Read until the program has ended; False when it was too late for that."""
        while self._process.poll() is None:
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            self._read(min(left, _GRACE))
        return True

    def drain(self) -> None:
        """Read what is still there: a child may hold the pipe open for ever."""
        deadline = time.monotonic() + _GRACE
        while self._selector.get_map() and time.monotonic() < deadline:
            if not self._read(0):
                return

    def close(self) -> None:
        self._selector.close()

    def _read(self, seconds: float) -> bool:
        if not self._selector.get_map():
            time.sleep(min(seconds, 0.01))  # both outputs closed, still running
            return False
        ready = self._selector.select(seconds)
        for key, _ in ready:
            piece = os.read(key.fd, _PIECE)
            if piece:
                self._kept[key.data] = (self._kept[key.data] + piece)[-self._tail :]
            else:
                self._selector.unregister(key.fd)
        return bool(ready)


def _kill_group(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return
