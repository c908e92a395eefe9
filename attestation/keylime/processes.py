"""One of Keylime's programs as a child process that can always be ended."""

import os
import selectors
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from attestation.keylime.errors import KeylimeStartError

SUPERVISOR = Path(__file__).with_name("supervisor.py")
POLL_SECONDS = 0.02
LOG_TAIL_BYTES = 2000


def supervised(command: Sequence[str], grace: float) -> list[str]:
    """Return what runs ``command`` under the supervisor; ``grace`` in seconds."""
    return [sys.executable, "-I", "-S", str(SUPERVISOR), str(grace), *command]


class Program:
    """A running program with its own process group, held by a supervisor.

    The supervisor ends the group when we do, however we do; see supervisor.py.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        directory: Path,
        log: Path,
        grace: float,
        held: Collection[int] = (),
    ) -> None:
        """Start ``command`` in ``directory``; its output is appended to ``log``.

        The supervisor, not the program, inherits the descriptors ``held``.
        """
        self._log = log
        self._grace = grace
        with log.open("ab") as output:
            self._log_start = output.tell()
            self._process = subprocess.Popen(  # noqa: S603 - paths of our own making
                supervised(command, grace),
                cwd=directory,
                env=dict(environment),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                start_new_session=True,  # Ctrl-C in a terminal is for us alone
                pass_fds=tuple(held),
            )
        self._group = 0
        self._runtime: Path | None = None

    @property
    def group(self) -> int:
        """Process group id of the program and all its children; 0 if never known."""
        return self._group

    def wait_started(self, timeout: float) -> None:
        """Read the program's process id from the supervisor.

        Raises:
            KeylimeStartError: It did not say within ``timeout`` seconds.
        """
        answers = self._process.stdout
        assert answers is not None  # noqa: S101 - it was made with PIPE
        with selectors.DefaultSelector() as selector:
            selector.register(answers, selectors.EVENT_READ)
            line = answers.readline() if selector.select(timeout) else b""
        group, _, runtime = line.decode().strip().partition(" ")
        if not group.isdigit() or not runtime:
            raise KeylimeStartError(f"the supervisor did not start: {self.log_tail()}")
        self._group, self._runtime = int(group), Path(runtime)

    def running(self) -> bool:
        return self._process.poll() is None

    def log_tail(self) -> str:
        """Return the end of what this run wrote, for a person to read."""
        with self._log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(self._log_start, size - LOG_TAIL_BYTES))
            return file.read().decode(errors="replace").strip() or "(no output)"

    def request_stop(self) -> None:
        """Close the lifeline; returns at once."""
        if self._process.stdin is not None and not self._process.stdin.closed:
            self._process.stdin.close()

    def stop(self) -> None:
        """End the group, politely and then not; returns when no process is left.

        The supervisor takes at most three graces; then the group is killed from here.
        """
        self.request_stop()
        try:
            self._process.wait(3 * self._grace + 1)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        finally:
            self._kill_rest()
            if self._process.stdout is not None:
                self._process.stdout.close()

    def _kill_rest(self) -> None:
        """Only has work to do when somebody killed the supervisor."""
        if self._runtime is not None:
            shutil.rmtree(self._runtime, ignore_errors=True)
        deadline = time.monotonic() + self._grace
        while self._group and time.monotonic() < deadline:
            try:
                os.killpg(self._group, signal.SIGKILL)
            except ProcessLookupError:
                return
            time.sleep(POLL_SECONDS)
