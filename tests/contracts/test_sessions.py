"""Sessions of the console: the contract, on SQLite and PostgreSQL."""

import pytest

from onboarding.store.database import Database
from onboarding.store.sessions import KEPT_PER_KEY, SessionRecord, SessionStore
from tests.support.store_records import NOW, digest

ONE = digest("one")


@pytest.fixture
def sessions(database: Database) -> SessionStore:
    store = SessionStore(database)
    store.begin(ONE, "key", NOW)
    return store


def test_a_session_is_found_until_it_is_ended(sessions: SessionStore) -> None:
    assert sessions.find(ONE) == SessionRecord("key", NOW, NOW)
    sessions.end(ONE)
    assert sessions.find(ONE) is None


def test_using_a_session_moves_its_time_on_and_never_back(
    sessions: SessionStore,
) -> None:
    for at in (NOW + 60, NOW + 30):
        sessions.used(ONE, at)
    assert sessions.find(ONE) == SessionRecord("key", NOW, NOW + 60)


def test_using_a_session_that_was_ended_does_not_bring_it_back(
    sessions: SessionStore,
) -> None:
    sessions.end(ONE)
    sessions.used(ONE, NOW + 1)
    assert sessions.find(ONE) is None


@pytest.mark.parametrize(("begun", "seen"), [(NOW, 0), (0, NOW)])
def test_what_is_old_or_idle_is_forgotten(
    sessions: SessionStore, begun: int, seen: int
) -> None:
    assert sessions.prune(begun - 1, seen - 1) == 0
    assert sessions.prune(begun, seen) == 1
    assert sessions.find(ONE) is None


def test_one_key_holds_only_so_many_sessions(sessions: SessionStore) -> None:
    sessions.begin(digest("of another key"), "other", NOW)
    for number in range(KEPT_PER_KEY):
        sessions.begin(digest(number), "key", NOW + 1 + number)
    assert sessions.find(ONE) is None
    assert sessions.find(digest(0)) is not None
    assert sessions.find(digest("of another key")) is not None
