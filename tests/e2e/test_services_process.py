"""A service as a process: where it listens, and how it ends."""

import signal
import stat
from pathlib import Path

import httpx
import pytest

from onboarding.services.settings import Role
from tests.support.served_process import served
from tests.support.services import Site


@pytest.mark.parametrize("wish", [signal.SIGTERM, signal.SIGINT])
def test_a_service_says_its_port_and_ends_well_when_asked(
    tmp_path: Path, wish: signal.Signals
) -> None:
    site = Site(tmp_path)
    settings = site.settings(Role.ALL)
    with served(site, settings) as service:
        ready = httpx.get(f"{service.url}/readyz", timeout=60, trust_env=False)
        assert ready.json() == {
            "status": "ready",
            "role": "all",
            "checks": {"database": "ok", "keys": "ok"},
        }
        service.ask_to_stop(wish)
        assert service.ended() == 0
    secret = settings.key_directory / "server.secret"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
