"""Databases that go away under running services, come back, or take no more."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from onboarding.wire.common import SigInfo
from onboarding.wire.error import ErrorMessage
from onboarding.wire.to2 import HelloDevice
from ownership_vouchers.types import Guid
from tests.support.cli_site import Site, running_site
from tests.support.postgres import PrivatePostgres, binaries


@pytest.fixture
def postgres() -> Iterator[PrivatePostgres]:
    """A server of its own: it is about to crash."""
    found = binaries()
    if found is None:
        pytest.skip("not installed: postgresql")
    server = PrivatePostgres(found)
    server.start()
    yield server
    server.stop()


class _Asker:
    """Asks the four kinds of questions that a service answers."""

    def __init__(self, site: Site, client: httpx.Client) -> None:
        self._client = client
        key = site.key("operator").read_text().strip()
        self._key = {"authorization": f"Bearer {key}"}

    def statuses(self) -> list[int]:
        """Of the management API, of readiness, of liveness."""
        asked = ("/api/v1/devices", "/readyz", "/healthz")
        return [self._client.get(path, headers=self._key).status_code for path in asked]

    def fdo(self) -> ErrorMessage:
        """What a device is told that nobody knows, another one each time."""
        guid = Guid(secrets.token_bytes(16))
        hello = HelloDevice(65535, guid, bytes(16), "ECDH256", 1, SigInfo(-7))
        answer = self._client.post(
            "/fdo/101/msg/60",
            content=hello.encode(),
            headers={"content-type": "application/cbor"},
        )
        assert answer.headers["message-type"] == "255"
        return ErrorMessage.from_cbor(answer.content)


def test_services_outlive_a_crash_of_their_database(
    postgres: PrivatePostgres, tmp_path: Path
) -> None:
    url = postgres.new_database()
    with (
        running_site(tmp_path, more={"VOUCHGATE_DATABASE_URL": url}) as site,
        httpx.Client(base_url=site.url, timeout=60) as client,
    ):
        ask = _Asker(site, client)
        assert ask.statuses() == [200, 200, 200]
        known = ask.fdo().code
        postgres.interrupt()
        assert ask.statuses() == [503, 503, 200]
        away = ask.fdo()
        assert (away.code, away.previous) == (500, 60)
        assert "PostgreSQL" not in away.text
        postgres.resume()
        assert ask.statuses() == [200, 200, 200]
        assert ask.fdo().code == known != 500
    said = (tmp_path / "log").read_text()
    assert "message 60 failed: " in said
    assert "Traceback" not in said


def test_a_service_whose_disk_is_nearly_full_is_not_ready(tmp_path: Path) -> None:
    wanted = {"VOUCHGATE_MIN_FREE_MIB": str(10**12)}
    with running_site(tmp_path, more=wanted) as site:
        reply = httpx.get(f"{site.url}/readyz", timeout=60)
    assert (reply.status_code, reply.json()["code"]) == (503, "not-ready")
    assert "1000000000000 are wanted" in reply.json()["checks"]["database"]
