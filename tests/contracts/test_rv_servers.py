"""Circuits of rendezvous servers: the contract, on SQLite and PostgreSQL."""

from functools import partial

import pytest

from onboarding.store.database import Database
from onboarding.store.errors import NotFound
from onboarding.store.event_log import EventLog
from onboarding.store.rv_servers import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    OPEN_AFTER,
    PROBE_SECONDS,
    Circuit,
    RvServer,
    RvServerStore,
)
from tests.support.store_records import ACTOR, NOW, race

URL = "https://rv.example.test:8443"


@pytest.fixture
def servers(database: Database) -> RvServerStore:
    return RvServerStore(database)


def opened(servers: RvServerStore, now: int = NOW) -> RvServer:
    for _ in range(OPEN_AFTER):
        servers.failed(URL, "no answer", now)
    return servers.get(URL)


def test_a_server_that_nobody_tried_is_let(servers: RvServerStore) -> None:
    assert servers.admit(URL, NOW) == 0
    assert servers.page(None, 10).items == ()


def test_a_circuit_opens_after_failures_in_a_row(servers: RvServerStore) -> None:
    for _ in range(OPEN_AFTER - 1):
        assert servers.failed(URL, "no", NOW).circuit(NOW) is Circuit.CLOSED
    servers.answered(URL, NOW)  # so they are in a row no more
    for _ in range(OPEN_AFTER - 1):
        assert servers.failed(URL, "no", NOW).circuit(NOW) is Circuit.CLOSED
        assert servers.admit(URL, NOW) == 0
    last = servers.failed(URL, "x" * 999, NOW)
    assert last.circuit(NOW) is Circuit.OPEN
    assert (last.failures, len(last.error)) == (OPEN_AFTER, 300)
    assert servers.admit(URL, NOW) == NOW + FIRST_PAUSE
    assert servers.admit(URL, NOW + FIRST_PAUSE - 1) == NOW + FIRST_PAUSE


def test_attempts_that_were_under_way_do_not_open_it_further(
    servers: RvServerStore,
) -> None:
    before = opened(servers)
    for _ in range(20):
        servers.failed(URL, "late", NOW + 1)
    after = servers.get(URL)
    assert (after.open_until, after.openings) == (before.open_until, 1)
    assert after.error == "late"


def test_one_attempt_at_a_time_decides_on_a_half_open_circuit(
    servers: RvServerStore,
) -> None:
    later = opened(servers).open_until
    assert servers.get(URL).circuit(later) is Circuit.HALF_OPEN
    asked = race(*[partial(servers.admit, URL, later)] * 6)
    assert asked.count(0) == 1
    assert set(asked) <= {0, later + FIRST_PAUSE, later + PROBE_SECONDS}
    assert servers.admit(URL, later) == later + PROBE_SECONDS
    # Nothing was heard of the probe, so another one may go.
    assert servers.admit(URL, later + PROBE_SECONDS) == 0


def test_a_good_probe_closes_it_and_a_bad_one_opens_it_for_longer(
    servers: RvServerStore,
) -> None:
    now, pauses = opened(servers).open_until, []
    for _ in range(8):
        assert servers.admit(URL, now) == 0
        again = servers.failed(URL, "still not", now)
        pauses.append(again.open_until - now)
        now = again.open_until
    assert pauses[:3] == [2 * FIRST_PAUSE, 4 * FIRST_PAUSE, 8 * FIRST_PAUSE]
    assert pauses[-1] == LONGEST_PAUSE
    assert servers.admit(URL, now) == 0
    servers.answered(URL, now)
    closed = servers.get(URL)
    assert (closed.circuit(now), closed.failures, closed.openings) == (
        Circuit.CLOSED,
        0,
        0,
    )
    assert (closed.error, closed.answered_at) == ("still not", now)
    assert opened(servers, now).open_until == now + FIRST_PAUSE


def test_a_person_closes_it_and_that_is_an_event(
    servers: RvServerStore, database: Database
) -> None:
    opened(servers)
    assert servers.reset(URL, ACTOR, NOW).circuit(NOW) is Circuit.CLOSED
    assert servers.admit(URL, NOW) == 0
    (event,) = EventLog(database).page(None, 1).items
    assert (event.cause, event.actor) == ("rv_server.reset", ACTOR)
    for ask in (servers.get, lambda name: servers.reset(name, ACTOR, NOW)):
        with pytest.raises(NotFound):
            ask("https://another.example.test")


def test_good_news_is_written_once_a_minute(servers: RvServerStore) -> None:
    for second in range(0, 180, 20):
        servers.answered(URL, NOW + second)
    assert servers.get(URL).answered_at == NOW + 120


def test_servers_are_counted_listed_and_forgotten(servers: RvServerStore) -> None:
    opened(servers)
    servers.answered("http://a.example.test", NOW + 5)
    servers.failed("http://b.example.test", "no", NOW + 5)
    counts = {Circuit.CLOSED: 2, Circuit.OPEN: 1, Circuit.HALF_OPEN: 0}
    assert servers.counts(NOW) == counts
    later = NOW + FIRST_PAUSE
    assert servers.counts(later) == {**counts, Circuit.OPEN: 0, Circuit.HALF_OPEN: 1}
    first = servers.page(None, 2)
    second = servers.page(first.cursor, 2)
    names = [one.server for one in (*first.items, *second.items)]
    assert names == ["http://a.example.test", "http://b.example.test", URL]
    assert second.cursor is None
    assert servers.prune(NOW + 4) == 1
    assert servers.counts(NOW)[Circuit.CLOSED] == 2


def test_failures_of_several_replicas_are_all_counted(servers: RvServerStore) -> None:
    race(*[partial(servers.failed, URL, "no", NOW)] * (OPEN_AFTER - 1))
    assert servers.get(URL).failures == OPEN_AFTER - 1
