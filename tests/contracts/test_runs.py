"""Runs and spent tokens: the contract, on SQLite and PostgreSQL."""

import pytest

from onboarding.store.database import Database
from onboarding.store.runs import RunStore, run_store
from tests.support.store_records import NOW, race

RUN = b"run id 16 bytes!"
EXPIRES = NOW + 600


@pytest.fixture
def runs(database: Database) -> RunStore:
    return run_store(database)


def test_a_run_that_began_is_loaded_as_it_was_sealed(runs: RunStore) -> None:
    assert runs.begin(RUN, 64, b"\x00sealed\xff", EXPIRES)
    assert runs.load(RUN, NOW) == (64, b"\x00sealed\xff")


def test_an_unknown_run_is_none(runs: RunStore) -> None:
    assert runs.load(RUN, NOW) is None


def test_a_run_begins_only_once(runs: RunStore) -> None:
    assert runs.begin(RUN, 64, b"first", EXPIRES)
    assert not runs.begin(RUN, 64, b"second", EXPIRES)
    assert runs.load(RUN, NOW) == (64, b"first")


def test_a_run_is_gone_when_it_expires(runs: RunStore) -> None:
    runs.begin(RUN, 64, b"state", EXPIRES)
    assert runs.load(RUN, EXPIRES - 1) is not None
    assert runs.load(RUN, EXPIRES) is None
    assert not runs.advance(RUN, 64, 66, b"late", EXPIRES)


def test_advance_needs_the_expected_step(runs: RunStore) -> None:
    runs.begin(RUN, 64, b"state", EXPIRES)
    assert not runs.advance(RUN, 66, 68, b"skipped", NOW)
    assert runs.advance(RUN, 64, 66, b"next", NOW)
    assert runs.load(RUN, NOW) == (66, b"next")


def test_of_many_that_advance_at_once_exactly_one_wins(runs: RunStore) -> None:
    runs.begin(RUN, 64, b"state", EXPIRES)

    def advance(mark: bytes) -> bytes | None:
        return mark if runs.advance(RUN, 64, 66, mark, NOW) else None

    results = race(*(lambda m=bytes([n]): advance(m) for n in range(8)))
    winners = [result for result in results if result is not None]
    assert len(results) == 8
    assert len(winners) == 1
    assert runs.load(RUN, NOW) == (66, winners[0])


def test_a_finished_run_can_neither_be_loaded_nor_begun_again(runs: RunStore) -> None:
    runs.begin(RUN, 70, b"state", EXPIRES)
    assert not runs.finish(RUN, 68)
    assert runs.finish(RUN, 70)
    assert runs.load(RUN, NOW) is None
    assert not runs.finish(RUN, 70)
    assert not runs.begin(RUN, 64, b"again", EXPIRES)


def test_of_many_that_finish_at_once_exactly_one_wins(runs: RunStore) -> None:
    runs.begin(RUN, 70, b"state", EXPIRES)
    results = race(*(lambda: runs.finish(RUN, 70) for _ in range(6)))
    assert sorted(map(bool, results)) == [False] * 5 + [True]


def test_a_token_is_spent_once(runs: RunStore) -> None:
    assert runs.spend(b"token", EXPIRES)
    assert not runs.spend(b"token", EXPIRES)
    assert runs.spend(b"another", EXPIRES)


def test_of_many_that_spend_a_token_at_once_exactly_one_wins(runs: RunStore) -> None:
    results = race(*(lambda: runs.spend(b"token", EXPIRES) for _ in range(8)))
    assert results.count(True) == 1
    assert results.count(False) == 7


def test_pruning_forgets_only_what_expired(runs: RunStore) -> None:
    runs.begin(RUN, 64, b"old", NOW)
    runs.begin(b"young", 64, b"young", EXPIRES)
    runs.spend(b"old token", NOW)
    runs.spend(b"young token", EXPIRES)
    assert runs.prune(NOW) == 2
    assert runs.load(b"young", NOW) == (64, b"young")
    assert not runs.spend(b"young token", EXPIRES)


def test_only_live_runs_are_counted(runs: RunStore) -> None:
    for name in (b"one", b"two", b"three"):
        runs.begin(name, 64, b"", EXPIRES)
    runs.finish(b"two", 64)
    assert runs.live(NOW) == 2
    assert runs.live(EXPIRES) == 0


def test_any_number_that_expired_is_forgotten(runs: RunStore) -> None:
    for number in range(1203):
        name = number.to_bytes(2, "big")
        runs.begin(name, 64, b"state", NOW) if number % 2 else runs.spend(name, NOW)
    assert runs.prune(NOW - 1) == 0
    assert runs.prune(NOW) == 1203
    assert runs.live(0) == runs.prune(EXPIRES) == 0
