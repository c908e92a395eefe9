"""A service as a process of its own, under a supervisor like systemd."""

import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from onboarding.services.settings import Settings
from tests.support.services import SECONDS, Site

_PROGRAM = """
import sys
from onboarding.services import server
from onboarding.services.settings import Settings
server.GRACE_SECONDS = int(sys.argv[1])
server.run(Settings())
"""
GRACE = 60  # seconds; longer than ours, so that a busy machine cuts nothing off


@dataclass
class Served:
    """Where it serves, and what it has told."""

    url: str
    process: subprocess.Popen[bytes]
    _told: socket.socket

    def tells(self) -> str:
        """The next state that the supervisor is told."""
        return self._told.recv(64).decode()

    def ask_to_stop(self, wish: signal.Signals = signal.SIGTERM) -> None:
        """Returns when it has begun to."""
        self.process.send_signal(wish)
        assert self.tells() == "STOPPING=1"

    def ended(self) -> int:
        """Its exit code, once it has ended."""
        return self.process.wait(SECONDS)


@contextmanager
def served(site: Site, settings: Settings, grace: int = GRACE) -> Iterator[Served]:
    """Serve until the block ends, or it ends itself.

    Args:
        grace: So many seconds what is under way may take when it is to stop.
    """
    name = f"vouchgate-test-{secrets.token_hex(8)}"
    port_file = site.directory / f"{name}.port"
    environment = {
        "NOTIFY_SOCKET": f"@{name}",
        "VOUCHGATE_ROLE": settings.role.value,
        "VOUCHGATE_PORT": "0",
        "VOUCHGATE_PORT_FILE": str(port_file),
        "VOUCHGATE_DATABASE_URL": settings.database_url,
        "VOUCHGATE_KEY_DIRECTORY": str(settings.key_directory),
        "VOUCHGATE_KEY_PASSPHRASE_FILE": str(settings.key_passphrase_file),
        "VOUCHGATE_FIRST_ADMIN_KEY": "false",
    }
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(f"\0{name}")
        told.settimeout(SECONDS)
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and program
            [sys.executable, "-c", _PROGRAM, str(grace)],
            env={**os.environ, **environment},
        )
        try:
            assert told.recv(64) == b"READY=1"
            url = f"http://127.0.0.1:{port_file.read_text().strip()}"
            yield Served(url, process, told)
        finally:
            process.kill()
            process.wait()
