"""The audit log: the contract, on SQLite and PostgreSQL."""

from itertools import pairwise

import pytest

from onboarding.store.database import Database
from onboarding.store.direct import Sql
from onboarding.store.errors import (
    ChainBroken,
    InvalidCursor,
    InvalidRecord,
    StoreError,
)
from onboarding.store.event_log import ChainHead, EventLog
from onboarding.store.events import GENESIS, Event
from tests.support.store_records import ACTOR, GUID, NOW, OTHER_GUID, digest, race
from tests.support.tampering import unguarded


@pytest.fixture
def log(database: Database) -> EventLog:
    return EventLog(database)


def fill(log: EventLog, count: int = 5) -> None:
    """Some events of one device."""
    for number in range(count):
        detail = {"number": number, "text": "é"}
        log.append(Event("test.made", ACTOR, NOW + number, GUID, digest(1), detail))


def test_an_empty_log_holds(log: EventLog) -> None:
    assert log.verify_chain() == ChainHead(0, GENESIS)


def test_each_event_names_the_one_before(log: EventLog) -> None:
    fill(log)
    events = log.timeline(GUID)
    assert [event.seq for event in events] == [1, 2, 3, 4, 5]
    assert events[0].previous == GENESIS
    assert all(b.previous == a.digest for a, b in pairwise(events))
    assert log.verify_chain() == ChainHead(5, events[-1].digest)


TAMPERING: dict[str, tuple[str, str]] = {
    "a cause rewritten": (
        "UPDATE events SET cause = 'harmless' WHERE seq = 3",
        "event 3 was altered",
    ),
    "an actor rewritten": (
        "UPDATE events SET actor = 'somebody' WHERE seq = 1",
        "event 1 was altered",
    ),
    "a time moved": ("UPDATE events SET at = at + 1 WHERE seq = 4", "event 4"),
    "evidence taken out": (
        "UPDATE events SET evidence_digest = NULL WHERE seq = 2",
        "event 2 was altered",
    ),
    "a detail rewritten": ("UPDATE events SET detail = '{}' WHERE seq = 2", "event 2"),
    "an event deleted": ("DELETE FROM events WHERE seq = 2", "event 2 is missing"),
    "the last event deleted": (
        "DELETE FROM events WHERE seq = 5",
        "event 5 is missing",
    ),
    "every event deleted": ("DELETE FROM events", "event 1 is missing"),
    "the tail cut and the head moved": (
        "UPDATE event_head SET seq = 4",
        "not the one the log ended with",
    ),
}


@pytest.mark.parametrize(("change", "found"), TAMPERING.values(), ids=TAMPERING.keys())
def test_tampering_is_found_where_it_was_done(
    log: EventLog, database: Database, change: str, found: str
) -> None:
    fill(log)
    log.verify_chain()
    with unguarded(database):
        database.direct.count(Sql(change))
    with pytest.raises(ChainBroken, match=found):
        log.verify_chain()


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE events SET cause = 'harmless' WHERE seq = 3",
        "DELETE FROM events WHERE seq = 5",
        "DELETE FROM events",
    ],
)
def test_the_database_lets_nobody_change_or_remove_an_event(
    log: EventLog, database: Database, change: str
) -> None:
    fill(log)
    before = log.verify_chain()
    with pytest.raises(StoreError):
        database.direct.count(Sql(change))
    assert log.verify_chain() == before


def test_events_appended_at_once_make_one_chain(log: EventLog) -> None:
    assert race(*(lambda: fill(log, 4) for _ in range(4))) == [None] * 4
    assert log.verify_chain().seq == 16


def test_a_change_that_fails_leaves_no_event(log: EventLog, database: Database) -> None:
    def fail_half_way() -> None:
        with database.transaction() as writing:
            writing.log(Event("test.lost", ACTOR, NOW, GUID))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()
    assert log.verify_chain().seq == 0


def test_pages_show_the_newest_first(log: EventLog) -> None:
    fill(log)
    log.append(Event("other.made", ACTOR, NOW))
    first = log.page(limit=4)
    second = log.page(first.cursor, limit=4)
    assert [event.seq for event in first.items + second.items] == [6, 5, 4, 3, 2, 1]
    assert second.cursor is None
    assert [event.seq for event in log.page(cause="other").items] == [6]
    assert log.page(cause="t%").items == ()


@pytest.mark.parametrize("cursor", ["", "x", "-1", "1" * 19, "٣"])
def test_a_cursor_we_did_not_give_out_is_refused(log: EventLog, cursor: str) -> None:
    with pytest.raises(InvalidCursor):
        log.page(cursor)


@pytest.mark.parametrize(
    "detail", [{"raw": b"bytes"}, {"long": "x" * 17000}], ids=["not JSON", "too long"]
)
def test_a_detail_that_no_log_should_hold_is_refused(
    log: EventLog, detail: dict[str, object]
) -> None:
    with pytest.raises(InvalidRecord):
        log.append(Event("test.made", ACTOR, NOW, detail=detail))
    assert log.verify_chain().seq == 0


def test_events_after_a_number_come_in_order_and_only_so_many(
    database: Database,
) -> None:
    log = EventLog(database)
    assert (log.head(), log.after(0)) == (0, ())
    log.append(*(Event(f"test.{number}", ACTOR, NOW) for number in range(5)))
    assert log.head() == 5
    assert [one.seq for one in log.after(2)] == [3, 4, 5]
    assert [one.seq for one in log.after(1, 2)] == [2, 3]
    assert log.after(5) == log.after(2**53) == ()


def test_what_comes_again_and_again_does_not_push_out_the_rest(log: EventLog) -> None:
    log.append(Event("ownership.taken", ACTOR, NOW, GUID))
    for number in range(30):
        log.append(Event("appraisal.failed", ACTOR, NOW + number, GUID))
    log.append(Event("release.withdrawn", ACTOR, NOW + 40, GUID))
    told = log.story(GUID, 10)
    assert [one.cause for one in told] == [
        "ownership.taken",
        *["appraisal.failed"] * 8,
        "release.withdrawn",
    ]
    assert [one.seq for one in told] == [1, *range(24, 32), 32]
    assert len(log.story(GUID, 100)) == 32


def test_what_matters_leaves_room_for_what_is_new(log: EventLog) -> None:
    for number in range(30):
        log.append(Event("workload.failed", ACTOR, NOW + number, GUID))
        log.append(Event("decision.denied", ACTOR, NOW + number, GUID))
    told = log.story(GUID, 10)
    assert [one.seq for one in told] == list(range(51, 61))


def test_a_devices_events_come_in_pages(log: EventLog) -> None:
    fill(log)
    log.append(Event("test.other", ACTOR, NOW, OTHER_GUID))
    first = log.page(limit=3, guid=GUID)
    assert [one.seq for one in first.items] == [5, 4, 3]
    rest = log.page(first.cursor, 3, guid=GUID)
    assert ([one.seq for one in rest.items], rest.cursor) == ([2, 1], None)
