"""What peers of a service would have it unpack is refused before it costs anything."""

import logging
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import certifi
import pytest

from attestation.keylime.client import KeylimeClient
from attestation.keylime.http import device_http, device_transport
from attestation.keylime.proxy import route_for
from attestation.keylime.settings import KeylimeSettings
from onboarding.cli.api import Api
from onboarding.device.errors import Unreachable
from onboarding.http_client import client
from onboarding.services.device_api.proxy import KeylimeProxy
from onboarding.services.errors import Problem
from onboarding.services.keylime_link import KeylimeLink
from onboarding.services.oidc import Issuer
from onboarding.services.settings import Role, Settings
from onboarding.tls import PUBLIC, context_of
from tests.support.dripping import dripping
from tests.support.owner_bench import OwnerBench, owner_bench
from tests.support.scripted import Scripted, bomb, unpacking_nothing

CONTEXT = context_of(PUBLIC)
CA = Path(certifi.where())
TOKEN = "eyJhbGciOiJFUzI1NiIsImtpZCI6ImsifQ.e30.AA"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[OwnerBench]:
    with owner_bench(tmp_path) as found:
        yield found


def link_to(url: str) -> KeylimeLink:
    known = KeylimeSettings(url, url, url, CA, CA, CA)
    way = device_transport(known)
    return KeylimeLink(KeylimeClient(way, known), url, device_http(known), way)


def test_a_device_is_not_handed_what_keylime_packed(bench: OwnerBench) -> None:
    guid = str(bench.guid)
    route = route_for("POST", f"/v3.0/agents/{guid}/attestations", guid)
    with Scripted(bomb()) as server, closing(link_to(server.url)) as link:
        proxy = KeylimeProxy(bench.context, link)
        with unpacking_nothing(), pytest.raises(Problem) as refused:
            proxy.forward(route, {}, b"{}")
    assert (refused.value.status, refused.value.code) == (502, "keylime-unavailable")


def issuer_at(url: str, seconds: float = 60.0) -> Issuer:
    settings = Settings(role=Role.ALL, oidc_issuer=url, oidc_audience="vouchgate")
    opened = partial(client, CONTEXT, timeout=60.0)
    return Issuer(settings, opened, lambda: 2_000_000_000, seconds)


def test_an_issuers_packed_answer_is_none(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    with Scripted(bomb()) as server, unpacking_nothing():
        with pytest.raises(Problem, match="keys of the identity provider"):
            issuer_at(server.url).verify(TOKEN)
    assert "no usable answer: DecodingError" in caplog.text
    assert b"\r\naccept-encoding: identity\r\n" in server.heard[0].lower()


def test_an_issuer_that_drips_holds_nobody_for_long(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    unknown = pytest.raises(Problem, match="keys of the identity provider")
    with dripping() as port, unknown:
        issuer_at(f"http://127.0.0.1:{port}", 0.2).verify(TOKEN)
    assert "no usable answer: ReadTimeout" in caplog.text


@pytest.mark.parametrize("status", ["200 OK", "500 Internal Server Error"])
@pytest.mark.parametrize("asked", ["whole", "lines", "stream"])
def test_a_command_unpacks_nothing_either(
    status: str, asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("onboarding.cli.api.AGAIN_SECONDS", 0)
    with Scripted(*[bomb(status)] * 3) as server, closing(client(CONTEXT)) as http:
        api = Api(server.url, "", http)
        ways: dict[str, Callable[[], object]] = {
            "whole": lambda: api.request("GET", "devices"),
            "lines": lambda: list(api.lines("vouchers", b"", "text/plain")),
            "stream": lambda: list(api.follow("events/stream", {})),
        }
        with unpacking_nothing(), pytest.raises(Unreachable, match="encoded as"):
            ways[asked]()
