"""The shell in which the guides are followed: real programs, in a directory of its own.

Ports, the software TPM's address and the GUIDs that a guide prints are put in place of
those that this run has. What a guide starts and leaves running is started by the very
words of the guide, and ends with the shell.
"""

import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.command_server import write_shim
from tests.support.doc_commands import ROOT, Typed

_END = "== the command has ended: "
_SERVE = "vouchgate serve"
_KEYLIME = re.compile(r"python -m attestation\.keylime (?:registrar|verifier)\b")
_DEADLINE = 120.0
# Linux hands out none of these by itself, and software TPMs take higher ones.
_PORTS = range(12_000, 20_000, 2)


@dataclass
class Shell:
    """One bash that goes on from command to command, as a person's does."""

    home: Path
    process: "subprocess.Popen[str]"
    instead: dict[str, str] = field(default_factory=dict)  # of what a guide prints
    running: list[int] = field(default_factory=list)  # what was left running, by pid
    serving: dict[str, int] = field(default_factory=dict)  # by the guide's port
    typed: list[Typed] = field(default_factory=list)
    said: str = ""  # by the last command

    def type(
        self, typed: Typed, *, ends: bool = False, until: str = ""
    ) -> tuple[int, str]:
        """Type a command; return its exit code and what it printed.

        ``ends``: it ends by itself, though it looks like one that is left running.
        ``until`` it has said that it goes on, then it is told to end.
        """
        self.typed.append(typed)
        text = typed.text
        if until:
            return 0, self._told(text, until)
        if ends:
            return self.run(text)
        if _SERVE in text:
            return 0, self._serve(text)
        if _KEYLIME.match(text):
            return 0, self._keylime(text)
        if text.startswith("swtpm socket"):
            return 0, self._answering(text, self.instead["2321"])
        return self.run(text)

    def run(self, text: str) -> tuple[int, str]:
        """Run a line of the shell's language."""
        text = self.ours(text)
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

    def ours(self, text: str) -> str:
        """With what this run has in place of what a guide prints."""
        if not self.instead:
            return text
        printed = sorted(self.instead, key=len, reverse=True)
        any_of = re.compile("|".join(map(re.escape, printed)))
        return any_of.sub(lambda found: self.instead[found[0]], text)

    def do(self, text: str) -> str:
        """What a line of ours prints, without the line end; it must work."""
        code, said = self.run(text)
        assert code == 0, f"{text}\n{said}"
        return said.strip()

    def leave_running(self, text: str) -> Path:
        """Start a line in the background; return the file of what it prints."""
        log = self.home / f"log-{len(self.typed)}"
        log.touch()
        self.running.append(int(self.do(f"{text} > {log} 2>&1 & echo $!").split()[-1]))
        return log

    def stop(self, port: str = "") -> None:
        """End the service of that port, or what was started last; it is gone then."""
        pid = self.serving.pop(port) if port else self.running[-1]
        self.running.remove(pid)
        self.do(f"kill {pid}; wait {pid} || true")

    def free_ports(self, *printed: str) -> None:
        """From now on each of a guide's ports is one that is free here."""
        for one in printed:
            self.instead[one] = str(_free_port(set(self.instead.values())))

    def _told(self, text: str, word: str) -> str:
        log = self.leave_running(text)
        self._until(lambda: word in log.read_text(), log)
        self.stop()
        return log.read_text()

    def _serve(self, text: str) -> str:
        """Start a service on a free port; from now on its own is meant by the guide."""
        files = [self.home / f"port-{len(self.typed)}-{n}" for n in ("own", "other")]
        quick = "VOUCHGATE_TASK_POLL_SECONDS=0.1 VOUCHGATE_PORT=0"
        more = f"VOUCHGATE_PORT_FILE={files[0]} VOUCHGATE_COMPAT_PORT_FILE={files[1]}"
        words = re.sub(r"port \d+", "port 0", text)
        asked = {files[0]: self._port_of(text)}
        other = re.search(r"--compat-port (\d+)", text)
        if other is not None:
            asked[files[1]] = other[1]
        log = self.leave_running(words.replace(_SERVE, f"env {more} {quick} {_SERVE}"))
        for file, printed in asked.items():
            self.serving[printed] = self.running[-1]
            self._until(file.exists, log)
            self.instead[printed] = file.read_text().strip()
        return log.read_text()

    def _port_of(self, text: str) -> str:
        """The port that a service would have by the guide."""
        said = re.search(r"--port (\d+)", text)
        read = re.search(r"cat (\S+)\)", text)
        if said is None and read is not None:
            said = re.search(r"PORT=(\d+)", (self.home / read[1]).read_text())
        return "8080" if said is None else said[1]

    def _keylime(self, text: str) -> str:
        """Start a program of Keylime's on the ports that this run has."""
        registrar = "--http-port 8890 --tls-port 8891"
        if "--verifier-port" not in text:
            text += " --verifier-port 8881"
        printed = re.search(r"--verifier-port (\d+)", text)
        assert printed is not None
        port = "8891" if " registrar " in text else printed[1]
        return self._answering(f"{text} {registrar}", self.instead[port])

    def _answering(self, text: str, port: str) -> str:
        """Start a program that takes connections there."""
        log = self.leave_running(text)

        def there() -> bool:
            with suppress(OSError):
                socket.create_connection(("127.0.0.1", int(port)), 5).close()
                return True
            return False

        self._until(there, log)
        return log.read_text()

    def _until(self, true: Callable[[], bool], log: Path) -> None:
        """Return when it is so, while what was started last runs."""
        end = time.monotonic() + _DEADLINE
        while not true():
            assert time.monotonic() < end, log.read_text()
            assert Path(f"/proc/{self.running[-1]}").exists(), log.read_text()
            time.sleep(0.05)


def _free_port(taken: set[str]) -> int:
    """The first of two; only who is told to takes ports of that range."""
    for _ in range(100):
        port = secrets.choice(_PORTS)
        with suppress(OSError):
            for one in (port, port + 1):
                socket.create_server(("127.0.0.1", one)).close()
            if str(port) not in taken:
                return port
    raise OSError("no port is free")


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
        for pid in reversed(found.running):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        bash.communicate("wait\n")
        server.communicate()
