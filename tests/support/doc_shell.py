"""The shell in which the guides are followed: real programs, in a directory of its own.

Ports, the software TPM's address and the GUIDs that a guide prints are put in place of
those that this run has. Services are started by what the guides say, on free ports.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.command_server import write_shim
from tests.support.doc_commands import ROOT, Typed

_END = "== the command has ended: "
_SERVES = re.compile(r"env \$\(cat (\w+)/env\) vouchgate serve")
_DEADLINE = 120.0


@dataclass
class Shell:
    """One bash that goes on from command to command, as a person's does."""

    home: Path
    process: "subprocess.Popen[str]"
    instead: dict[str, str] = field(default_factory=dict)  # of what a guide prints
    services: list[int] = field(default_factory=list)

    def type(self, typed: Typed) -> tuple[int, str]:
        """Type a command; return its exit code and what it printed."""
        serves = _SERVES.fullmatch(typed.text)
        if serves is not None:
            return 0, self._serve(serves[1])
        return self.run(typed.text)

    def run(self, text: str) -> tuple[int, str]:
        """Run a line of the shell's language."""
        for printed, ours in self.instead.items():
            text = text.replace(printed, ours)
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{text}\nended=$?; echo; echo '{_END}'$ended\n")
        self.process.stdin.flush()
        said = ""
        for line in self.process.stdout:
            if line.startswith(_END):
                return int(line.removeprefix(_END)), said
            said += line
        raise RuntimeError(f"the shell is gone after {text}: {said}")

    def _serve(self, role: str) -> str:
        """Start a service on a free port; from now on its own is meant by the guide."""
        port_file, log = self.home / role / "port", self.home / role / "log"
        more = f"VOUCHGATE_PORT=0 VOUCHGATE_PORT_FILE={role}/port"
        quick = "VOUCHGATE_TASK_POLL_SECONDS=0.1"
        line = f"env $(cat {role}/env) {more} {quick} vouchgate serve"
        code, said = self.run(f"{line} > {log} 2>&1 & echo $!")
        assert code == 0, said
        self.services.append(int(said.split()[-1]))
        end = time.monotonic() + _DEADLINE
        while not port_file.exists():
            assert time.monotonic() < end, log.read_text()
            os.kill(self.services[-1], 0)
            time.sleep(0.05)
        asked = re.search(r"PORT=(\d+)", (self.home / role / "env").read_text())
        assert asked is not None
        self.instead[asked[1]] = port_file.read_text().strip()
        return log.read_text()

    def json(self, text: str) -> str:
        """What a line prints, without the line end."""
        code, said = self.run(text)
        assert code == 0, said
        return said.strip()


@contextmanager
def shell(home: Path) -> Iterator[Shell]:
    """A bash in ``home``, with ``vouchgate`` and ``python`` as the guides mean them."""
    programs, at = home / "bin", home / "commands"
    programs.mkdir()
    write_shim(programs / "vouchgate", at)
    (programs / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (programs / "python").chmod(0o755)
    server = subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-m", "tests.support.command_server", str(at)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert server.stdout is not None
    assert server.stdout.readline() == b"ready\n"
    kept = {k: v for k, v in os.environ.items() if not k.startswith("VOUCHGATE_")}
    environment = {
        **kept,
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PYTHONPATH": f"{ROOT}:{ROOT / 'ownership-vouchers'}",
        "NO_COLOR": "1",
    }
    bash = subprocess.Popen(  # noqa: S603 - our own arguments
        [shutil.which("bash") or "bash", "--norc", "-o", "pipefail"],
        cwd=home,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    found = Shell(home, bash)
    found.run('curl() { command curl --fail-with-body "$@"; }')  # a refusal shows
    try:
        yield found
    finally:
        for pid in found.services:
            os.kill(pid, 15)
        bash.communicate("wait\n")
        server.communicate()
