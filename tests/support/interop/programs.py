"""Other people's programs as processes: bounded, and gone with whatever they began."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

START_SECONDS = 120.0
POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Ran:
    """How a program ended; ``code`` is None if we ended it."""

    code: int | None
    output: str

    def require(self, *, code: int = 0, says: str = "") -> "Ran":
        """Return this, or fail with all that the program said."""
        assert self.code == code, self.output
        assert says in self.output, self.output
        return self


def run(
    command: Sequence[str],
    directory: Path,
    *,
    seconds: float = 60.0,
    stop_at: Sequence[str] = (),
) -> Ran:
    """Run a program to its end, or until it says one of ``stop_at``.

    Devices try for ever; what they say on a failure is what to stop at.
    """
    log = directory / f"{Path(command[0]).name}.log"
    deadline = time.monotonic() + seconds
    with _started(command, directory, log, {}) as process:
        while time.monotonic() < deadline:
            code = process.poll()
            said = log.read_text(errors="replace")
            if code is not None:
                return Ran(code, said)
            if any(one in said for one in stop_at):
                return Ran(None, said)
            time.sleep(POLL_SECONDS)
    return Ran(None, f"{log.read_text(errors='replace')}\n(over {seconds:.0f} s)")


@contextmanager
def serving(
    command: Sequence[str],
    directory: Path,
    ready: Callable[[], bool],
    environment: Mapping[str, str] | None = None,
) -> Iterator[None]:
    """Run a server while the block lasts, from the moment it is ready."""
    directory.mkdir(parents=True, exist_ok=True)
    log = directory / "log"
    with _started(command, directory, log, environment or {}) as process:
        deadline = time.monotonic() + START_SECONDS
        while not ready():
            said = log.read_text(errors="replace")
            assert process.poll() is None, said
            assert time.monotonic() < deadline, said
            time.sleep(POLL_SECONDS)
        yield


@contextmanager
def _started(
    command: Sequence[str],
    directory: Path,
    log: Path,
    environment: Mapping[str, str],
) -> Iterator["subprocess.Popen[bytes]"]:
    with (
        log.open("wb") as output,
        subprocess.Popen(  # noqa: S603 - programs that the tests chose
            list(command),
            cwd=directory,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a group of its own, to be ended whole
        ) as process,
    ):
        try:
            yield process
        finally:
            _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    for wish, patience in ((signal.SIGTERM, 10), (signal.SIGKILL, 10)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, wish)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)
            return
