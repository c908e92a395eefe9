"""Traces of runs and sightings of strangers: the contract, on both databases."""

from dataclasses import replace

import pytest

from onboarding.store.database import Database
from onboarding.store.errors import InvalidCursor
from onboarding.store.traces import (
    SIGHTINGS_KEPT,
    STEPS_LIMIT,
    Sighting,
    Trace,
    TraceStore,
)
from tests.support.store_records import NOW, race

GUID, OTHER = b"a guid, 16 bytes", b"another of those"
STRANGER = Sighting(b"nobody has these", 60, 1, NOW, NOW)


def trace(number: int = 0, **changed: object) -> Trace:
    run = Trace(
        run=number.to_bytes(16, "big"),
        version=101,
        protocol="TO2",
        guid=GUID,
        serial="",
        started=NOW,
        updated=NOW + number,
        messages=1,
        passed=60,
        refused=None,
        code=None,
        error="",
        by_peer=False,
        proven=False,
        done=False,
        steps=f"60,{NOW},1,0;",
    )
    return replace(run, **changed)  # type: ignore[arg-type]


@pytest.fixture
def traces(database: Database) -> TraceStore:
    return TraceStore(database)


def test_a_trace_is_read_as_it_was_written(traces: TraceStore) -> None:
    whole = trace(
        7,
        serial="SN-1",
        passed=64,
        refused=66,
        code=100,
        error="does not decrypt: ü",
        by_peer=True,
        proven=True,
    )
    traces.write([whole], [])
    assert traces.of([GUID]) == (whole,)
    assert traces.of_serial("SN-1") == (whole,)
    assert traces.of([OTHER]) == traces.of([]) == traces.of_serial("") == ()


def test_parts_of_a_run_that_two_replicas_saw_become_one(traces: TraceStore) -> None:
    traces.write([trace()], [])
    more = trace(
        guid=None, updated=NOW + 5, messages=2, passed=64, proven=True, steps="64;"
    )
    traces.write([more], [])
    traces.write([trace(guid=None, passed=None, refused=66, code=100, error="no")], [])
    (found,) = traces.of([GUID])
    assert (found.messages, found.passed, found.refused) == (4, 64, 66)
    assert (found.proven, found.done, found.error) == (True, False, "no")
    assert found.steps == trace().steps + "64;" + trace().steps


def test_a_message_that_passes_after_a_refusal_clears_it(traces: TraceStore) -> None:
    traces.write([trace(refused=64, code=101, error="no")], [])
    traces.write([trace(passed=64)], [])
    (found,) = traces.of([GUID])
    assert (found.passed, found.refused, found.code) == (64, None, None)
    assert (found.error, found.by_peer) == ("", False)


@pytest.mark.parametrize("end", ["done", "by_peer"])
def test_how_a_run_ended_stands_whatever_comes_after(
    traces: TraceStore, end: str
) -> None:
    whole = trace(passed=70, refused=None, **{end: True})
    traces.write([whole], [])
    copy = trace(updated=NOW + 9, refused=70, code=101, error="a copy")
    traces.write([copy], [])
    (found,) = traces.of([GUID])
    assert replace(found, messages=1, steps=whole.steps) == whole
    assert (found.messages, found.steps) == (2, whole.steps + copy.steps)


def test_the_steps_of_a_long_run_are_bounded(traces: TraceStore) -> None:
    part = trace(steps="s" * 600)
    for _ in range(5):
        traces.write([part], [])
    (found,) = traces.of([GUID])
    assert len(found.steps) == 1800 <= STEPS_LIMIT
    assert found.messages == 5


def test_many_runs_are_written_together(traces: TraceStore) -> None:
    for _ in range(2):
        traces.write([trace(number) for number in range(101)], [])
    found = traces.page(limit=500).items
    assert [one.run[-1] for one in found] == list(range(100, -1, -1))
    assert {one.messages for one in found} == {2}


def test_all_replicas_may_write_at_once(traces: TraceStore) -> None:
    parts = [trace(number) for number in range(6)]
    strangers = [replace(STRANGER, guid=bytes([n]) * 16) for n in range(6)]
    race(*(lambda: traces.write(parts, strangers) for _ in range(6)))
    assert {one.messages for one in traces.of([GUID])} == {6}
    assert {one.count for one in traces.sightings().items} == {6}


def test_runs_are_listed_newest_first_page_by_page(traces: TraceStore) -> None:
    traces.write([trace(n, updated=NOW + n // 2) for n in range(5)], [])
    first = traces.page(limit=2)
    second = traces.page(first.cursor, limit=2)
    third = traces.page(second.cursor, limit=2)
    pages = (first, second, third)
    assert [one.run[-1] for page in pages for one in page.items] == [4, 2, 3, 0, 1]
    assert third.cursor is None


def test_sightings_add_up_and_are_listed_page_by_page(traces: TraceStore) -> None:
    traces.write([], [STRANGER])
    traces.write([], [replace(STRANGER, message=30, count=3, last_at=NOW + 9)])
    assert traces.sighting(STRANGER.guid) == Sighting(
        STRANGER.guid, 30, 4, NOW, NOW + 9
    )
    assert traces.sighting(GUID) is None
    traces.write([], [replace(STRANGER, guid=GUID)])
    first = traces.sightings(limit=1)
    second = traces.sightings(first.cursor, limit=1)
    found = [one.guid for page in (first, second) for one in page.items]
    assert found == [STRANGER.guid, GUID]


@pytest.mark.parametrize("cursor", ["", "x", "1:", "1:zz", "a:00", "9" * 200])
def test_a_cursor_of_nobody_is_refused(traces: TraceStore, cursor: str) -> None:
    with pytest.raises(InvalidCursor):
        traces.page(cursor)
    with pytest.raises(InvalidCursor):
        traces.sightings(cursor)


def test_what_is_old_is_forgotten(traces: TraceStore) -> None:
    traces.write([trace(0), trace(9)], [STRANGER])
    assert traces.forget(NOW + 5) == 2
    assert [one.run[-1] for one in traces.of([GUID])] == [9]
    assert traces.prune(NOW + 10, 5, 5) == 1


def test_each_device_and_protocol_keeps_its_newest_runs(traces: TraceStore) -> None:
    mine = [trace(n) for n in range(5)]
    asked = [trace(10 + n, protocol="TO1") for n in range(2)]
    other = [trace(20, guid=OTHER), trace(21, guid=None, serial="SN-1")]
    traces.write([*mine, *asked, *other], [])
    assert traces.prune(0, 3, 100) == 2
    assert [one.run[-1] for one in traces.of([GUID])] == [11, 10, 4, 3, 2]
    assert traces.of([OTHER])
    assert traces.of_serial("SN-1")


def test_of_all_runs_those_go_first_that_proved_nothing(traces: TraceStore) -> None:
    guids = [bytes([n]) * 16 for n in range(6)]
    traces.write([trace(n, guid=guids[n], proven=n < 2) for n in range(6)], [])
    assert traces.prune(0, 9, 3) == 3
    assert [one.run[-1] for one in traces.page().items] == [5, 1, 0]


def test_a_flood_of_strangers_does_not_push_out_one_who_comes_back(
    traces: TraceStore,
) -> None:
    steady = replace(STRANGER, count=2)
    flood = [
        replace(STRANGER, guid=n.to_bytes(16, "big"), last_at=NOW + 100)
        for n in range(SIGHTINGS_KEPT + 5)
    ]
    traces.write([], [steady, *flood])
    assert traces.prune(0, 9, 9) == 6
    assert traces.sighting(steady.guid) == steady
