"""Events as they happen, from any replica, none lost and none twice."""

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from onboarding.services import event_feed
from onboarding.services.context import open_context
from onboarding.services.settings import Role as Service
from onboarding.store.apikeys import Role
from onboarding.store.events import Event, LoggedEvent
from tests.support.api_bench import Api, is_problem, started
from tests.support.databases import NewDatabase
from tests.support.services import Running, Site

pytest_plugins = ["tests.support.service_fixtures"]

STREAM = "/api/v1/events/stream"


@pytest.fixture(scope="module")
def watched(
    tmp_path_factory: pytest.TempPathFactory, databases: NewDatabase
) -> Iterator[Api]:
    yield from started(Site(tmp_path_factory.mktemp("watched"), databases=databases))


@contextmanager
def lines(service: Running, key: str, query: str = "", **headers: str) -> Iterator[Any]:
    """The lines of one stream; a thread of its own reads no further than asked."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    with service.http.stream(
        "GET", f"{STREAM}{query}", headers={"X-API-Key": key, **given}
    ) as reply:
        assert reply.status_code == 200, reply.read()
        assert reply.headers["content-type"].startswith("text/event-stream")
        yield reply.iter_lines()


def take(stream: Any, count: int) -> list[dict[str, Any]]:
    """The next ``count`` events; each one's id is its number."""
    found: list[dict[str, Any]] = []
    number = ""
    while len(found) < count:
        line = next(stream)
        if line.startswith("id: "):
            number = line.removeprefix("id: ")
        if line.startswith("data: "):
            found.append(json.loads(line.removeprefix("data: ")))
            assert found[-1]["seq"] == int(number)
    return found


def happen(api: Api, reason: str = "x") -> None:
    body = {"name": reason, "role": "operator"}
    assert api.call("POST", "/apikeys", json=body).status_code == 201


def test_what_happens_is_told_by_every_replica(watched: Api) -> None:
    key = watched.keys[Role.SECURITY]
    settings = watched.site.settings(Service.ALL, background=False)
    with (
        watched.site.serve(settings) as other,
        lines(other, key) as there,
        lines(watched.service, key, "?cause=apikey") as here,
    ):
        for stream in (here, there):
            assert next(stream) == "retry: 3000"
        happen(watched, "told to all")
        for stream in (here, there):
            (told,) = take(stream, 1)
            assert told["cause"] == "apikey.created"
            assert told["detail"]["name"] == "told to all"


def test_a_stream_goes_on_after_the_last_event_that_was_seen(watched: Api) -> None:
    for _ in range(3):
        happen(watched)
    key = watched.keys[Role.SECURITY]
    whole = watched.call("GET", "/events").json()["items"][::-1]
    with lines(watched.service, key, "?after=0") as stream:
        assert take(stream, len(whole)) == whole
    with lines(watched.service, key, "?after=0", Last_Event_ID="2") as stream:
        assert take(stream, len(whole) - 2) == whole[2:]


@pytest.mark.parametrize("bad", ["-1", "x", "9" * 40])
def test_a_number_that_is_none_is_refused(watched: Api, bad: str) -> None:
    headers = {"X-API-Key": watched.keys[Role.SECURITY], "Last-Event-ID": bad}
    reply = watched.service.http.get(STREAM, headers=headers)
    assert reply.status_code == 422
    assert is_problem(reply)


def test_a_stream_ends_with_its_key(
    watched: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_feed, "QUIET_SECONDS", 0.5)
    body = {"name": "short", "role": "security"}
    made = watched.call("POST", "/apikeys", json=body).json()
    with lines(watched.service, made["key"]) as stream:
        assert next(stream) == "retry: 3000"
        assert watched.call("DELETE", f"/apikeys/{made['id']}").status_code == 204
        list(stream)  # comes to an end


def test_only_so_many_may_watch_and_a_place_is_given_back(
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    databases: NewDatabase,
) -> None:
    monkeypatch.setattr(event_feed, "MOST", 1)
    for api in started(Site(tmp_path_factory.mktemp("few"), databases=databases)):
        key = {"X-API-Key": api.keys[Role.SECURITY]}
        with lines(api.service, api.keys[Role.SECURITY]):
            reply = api.service.http.get(STREAM, headers=key)
            assert is_problem(reply)
            assert (reply.status_code, reply.json()["code"]) == (
                429,
                "too-many-streams",
            )
            assert "retry-after" in reply.headers
        happen(api)  # whoever left is noticed by then, or with the next event
        _until_free(api.service.http, key)


def _until_free(http: httpx.Client, key: dict[str, str]) -> None:
    pause = threading.Event()
    for _ in range(100):
        with http.stream("GET", STREAM, headers=key) as reply:
            if reply.status_code == 200:
                return
        pause.wait(0.1)
    raise AssertionError("the place was not given back")


def test_who_takes_nothing_loses_the_place_and_holds_up_nobody(
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    databases: NewDatabase,
) -> None:
    """A connection that is open and never read, with more to tell than it holds."""
    monkeypatch.setattr(event_feed, "MOST", 1)
    monkeypatch.setattr(event_feed, "STALLED_SECONDS", 0.5)
    for api in started(Site(tmp_path_factory.mktemp("stalled"), databases=databases)):
        key = {"X-API-Key": api.keys[Role.SECURITY]}
        _much_happens(api.site)
        with stuck(api, "?after=0"):
            _until_free(api.service.http, key)
        with lines(api.service, api.keys[Role.SECURITY], "?after=0") as stream:
            assert take(stream, 1)[0]["seq"] == 1


def _much_happens(site: Site) -> None:
    """More events than the buffers of a connection take, of sender and receiver."""
    context = open_context(site.settings(Service.ALL))
    text = {"text": "x" * 4000}
    for _ in range(40):
        events = [Event("test.made", "test", 1_800_000_000, detail=text)] * 100
        context.stores.events.append(*events)
    context.close()


@contextmanager
def stuck(api: Api, query: str) -> Iterator[None]:
    """A stream that was asked for, of which nothing but the head is read."""
    url = httpx.URL(api.service.url)
    with socket.create_connection((url.host, url.port or 80)) as line:
        head = f"GET {STREAM}{query} HTTP/1.1\r\nHost: x\r\nX-API-Key: "
        line.sendall(f"{head}{api.keys[Role.SECURITY]}\r\n\r\n".encode())
        assert line.recv(12) == b"HTTP/1.1 200"
        yield


def _may() -> None:
    """Whoever watches still may."""


def test_a_watcher_of_what_does_not_happen_is_told_that_the_line_is_alive(
    watched: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much else happens: what has no news looks like a line that broke."""
    monkeypatch.setattr(event_feed, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(event_feed, "QUIET_SECONDS", 0.1)
    settings = watched.site.settings(Service.ALL)
    context = open_context(settings)
    looks = iter(range(200))

    def goes_on() -> bool:
        happening = Event("test.made", "test", 1_800_000_000)
        context.stores.events.append(happening)
        return next(looks, None) is not None

    async def told() -> list[LoggedEvent | None]:
        feed = event_feed.EventFeed(context)
        return [one async for one in feed.after(0, goes_on, _may, cause="release")]

    found = asyncio.run(told())
    context.close()
    assert None in found
    assert {one.cause for one in found if one is not None} <= {"release"}


def test_who_is_behind_is_told_all_of_it_without_a_pause(
    watched: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_feed, "LOOK_SECONDS", 3600.0)
    context = open_context(watched.site.settings(Service.ALL))
    event = Event("test.made", "test", 1_800_000_000)
    context.stores.events.append(*[event] * 250)

    async def told() -> list[LoggedEvent | None]:
        feed = event_feed.EventFeed(context)
        found: list[LoggedEvent | None] = []
        async with asyncio.timeout(120):
            async for one in feed.after(0, lambda: True, _may):
                found.append(one)
                if len(found) == 250:
                    break
        return found

    found = asyncio.run(told())
    context.close()
    assert [one.seq for one in found if one is not None] == list(range(1, 251))


def test_a_service_that_stops_waits_for_no_stream(
    tmp_path_factory: pytest.TempPathFactory, databases: NewDatabase
) -> None:
    for api in started(Site(tmp_path_factory.mktemp("stopped"), databases=databases)):
        with lines(api.service, api.keys[Role.SECURITY]) as stream:
            assert next(stream) == "retry: 3000"
            stopping = threading.Thread(target=api.service.stop)
            stopping.start()
            list(stream)  # ends whole, not cut off
            stopping.join()
