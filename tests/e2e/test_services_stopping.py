"""A service that is told to stop ends what is under way, and loses nothing of it."""

import http.client
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from onboarding.services.settings import Role as Service
from onboarding.services.settings import Settings
from onboarding.services.voucher_import import TOGETHER
from onboarding.store.apikeys import Role
from onboarding.store.database import Database
from onboarding.store.event_log import EventLog
from onboarding.wire.message import MsgType
from tests.support.databases import NewDatabase
from tests.support.fdo_chain import Chain, state_of
from tests.support.served_process import Served, served
from tests.support.services import SECONDS, Site, Wire
from tests.support.sold_vouchers import sold_to
from tests.support.upload import Upload, lines

pytest_plugins = ["tests.support.service_fixtures"]


@dataclass
class InHalves(Wire):
    """What happens while one message is half sent, and what behind it."""

    kind: MsgType = MsgType.TO2_PROVE_DEVICE
    between: Callable[[], None] = lambda: None
    behind: Callable[[], None] = lambda: None

    def post(self, kind: int, body: bytes, token: str | None = None) -> httpx.Response:
        if kind != self.kind:
            return super().post(kind, body, token)
        where = urlsplit(self.urls[0])
        line = http.client.HTTPConnection(where.hostname or "", where.port, SECONDS)
        line.putrequest("POST", f"/fdo/101/msg/{int(kind)}")
        line.putheader("Content-Type", "application/cbor")
        line.putheader("Content-Length", str(len(body)))
        line.putheader("Authorization", token or "")
        line.endheaders(body[: len(body) // 2])
        self.between()
        line.send(body[len(body) // 2 :])
        with line.getresponse() as answer:
            found = httpx.Response(
                answer.status, headers=answer.getheaders(), content=answer.read()
            )
        line.close()
        self.behind()
        return found


def require_deaf(service: Served) -> None:
    """Whoever comes now is not let in: another replica is to serve him."""
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{service.url}/readyz", timeout=SECONDS, trust_env=False)


def test_a_message_that_is_half_sent_is_answered_and_its_run_goes_on_elsewhere(
    fdo_chain: Chain,
) -> None:
    device = fdo_chain.bought()
    quiet = fdo_chain.owner_settings.model_copy(update={"background": False})
    with served(fdo_chain.site, quiet) as service:
        wire = InHalves([service.url])

        def stop() -> None:
            service.ask_to_stop()
            require_deaf(service)

        def replace() -> None:
            assert service.ended() == 0
            wire.urls = [fdo_chain.owner.url]

        wire.between, wire.behind = stop, replace
        device.onboard(wire)
    assert state_of(fdo_chain, device) == "owned"


def test_an_import_and_a_stream_of_events_come_to_their_ends(
    tmp_path: Path, databases: NewDatabase
) -> None:
    site = Site(tmp_path, databases=databases)
    settings = site.settings(Service.OWNER)
    key = site.api_key(settings, Role.ADMIN)
    *first, last = sold_to(site, TOGETHER + 2)
    with (
        served(site, settings) as service,
        httpx.Client(base_url=service.url, timeout=SECONDS, trust_env=False) as client,
        client.stream(
            "GET", "/api/v1/events/stream", headers={"X-API-Key": key}
        ) as watched,
        Upload(service.url, key) as upload,
    ):
        stream = watched.iter_lines()
        assert next(stream) == "retry: 3000"
        upload.send("".join(first))
        with upload.answer() as answer:
            lines(answer, TOGETHER)
            service.ask_to_stop()
            upload.send(last)
            upload.end()
            told = [json.loads(line) for line in answer]
        assert told[-1]["counts"]["imported"] == TOGETHER + 2
        for _ in stream:  # ends whole; cut off it would raise
            pass
        assert service.ended() == 0
    require_kept(settings, TOGETHER + 2)


def test_an_import_without_an_end_is_cut_off_behind_what_was_answered(
    tmp_path: Path, databases: NewDatabase
) -> None:
    site = Site(tmp_path, databases=databases)
    settings = site.settings(Service.OWNER)
    key = site.api_key(settings, Role.ADMIN)
    with (
        served(site, settings, grace=1) as service,
        Upload(service.url, key) as upload,
    ):
        upload.send("".join(sold_to(site, TOGETHER + 1)))
        with upload.answer() as answer:
            lines(answer, TOGETHER)
            service.ask_to_stop()
            assert service.ended() == 0
            with pytest.raises(http.client.IncompleteRead):
                answer.read()
    require_kept(settings, TOGETHER)


def require_kept(settings: Settings, vouchers: int) -> None:
    """So many came in, each with its event, and nothing is left half done."""
    database = Database(settings.database_url)
    log = EventLog(database)
    log.verify_chain()
    causes = [one.cause for one in log.page(limit=500).items]
    database.close()
    assert causes.count("voucher.stored") == vouchers
