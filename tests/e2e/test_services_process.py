"""A service as a process: where it listens, and how it ends."""

import os
import secrets
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from onboarding.services.settings import Role
from tests.support.services import SECONDS, Site

PROGRAM = """
from onboarding.services.server import run
from onboarding.services.settings import Settings
run(Settings())
"""


def listening() -> tuple[socket.socket, str]:
    """A socket as systemd's, and how NOTIFY_SOCKET names it."""
    name = f"vouchgate-test-{secrets.token_hex(8)}"
    found = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    found.bind(f"\0{name}")
    found.settimeout(SECONDS)
    return found, f"@{name}"


@pytest.mark.parametrize("wish", [signal.SIGTERM, signal.SIGINT])
def test_a_service_says_its_port_and_ends_well_when_asked(
    tmp_path: Path, wish: signal.Signals
) -> None:
    site, port_file = Site(tmp_path), tmp_path / "port"
    supervisor, told_at = listening()
    settings = site.settings(Role.ALL)
    environment = {
        "NOTIFY_SOCKET": told_at,
        "VOUCHGATE_PORT": "0",
        "VOUCHGATE_PORT_FILE": str(port_file),
        "VOUCHGATE_DATABASE_URL": settings.database_url,
        "VOUCHGATE_KEY_DIRECTORY": str(settings.key_directory),
        "VOUCHGATE_KEY_PASSPHRASE_FILE": str(settings.key_passphrase_file),
    }
    process = subprocess.Popen(  # noqa: S603 - our own interpreter and program
        [sys.executable, "-c", PROGRAM], env={**os.environ, **environment}
    )
    try:
        for _ in range(2400):
            if port_file.exists() or process.poll() is not None:
                break
            time.sleep(0.05)
        url = f"http://127.0.0.1:{port_file.read_text().strip()}"
        ready = httpx.get(f"{url}/readyz", timeout=60, trust_env=False)
        assert ready.json() == {
            "status": "ready",
            "role": "all",
            "checks": {"database": "ok", "keys": "ok"},
        }
        assert supervisor.recv(64) == b"READY=1"
        process.send_signal(wish)
        assert process.wait(120) == 0
        assert supervisor.recv(64) == b"STOPPING=1"
    finally:
        process.kill()
        process.wait()
        supervisor.close()
    secret = settings.key_directory / "server.secret"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
