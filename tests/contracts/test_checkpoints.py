"""Checkpoints of the audit log: the contract, on SQLite and PostgreSQL."""

import pytest

from onboarding.store.checkpoints import CheckpointRecord, CheckpointStore
from onboarding.store.database import Database
from onboarding.store.errors import Conflict, InvalidCursor, InvalidRecord, NotFound
from onboarding.store.event_log import EventLog
from onboarding.store.events import Event
from tests.support.store_records import ACTOR, NOW, digest


@pytest.fixture
def checkpoints(database: Database) -> CheckpointStore:
    for number in range(4):
        EventLog(database).append(Event("test.made", ACTOR, NOW + number))
    return CheckpointStore(database)


def record(database: Database, seq: int) -> CheckpointRecord:
    found = EventLog(database).digest_of(seq)
    assert found is not None
    return CheckpointRecord(seq, found, NOW + seq, "ab" * 32, b"signed %d" % seq)


def test_there_is_none_at_first(checkpoints: CheckpointStore) -> None:
    assert checkpoints.page().items == ()
    with pytest.raises(NotFound):
        checkpoints.latest()


def test_the_newest_comes_first_and_pages_go_on(
    database: Database, checkpoints: CheckpointStore
) -> None:
    made = [record(database, seq) for seq in (1, 2, 4)]
    for one in made:
        checkpoints.add(one)
    assert checkpoints.latest() == made[2]
    first = checkpoints.page(limit=2)
    assert first.items == (made[2], made[1])
    assert checkpoints.page(first.cursor).items == (made[0],)
    with pytest.raises(InvalidCursor):
        checkpoints.page("4x")


def test_what_was_signed_first_stays(
    database: Database, checkpoints: CheckpointStore
) -> None:
    first = record(database, 3)
    checkpoints.add(first)
    checkpoints.add(CheckpointRecord(3, first.digest, NOW + 9, "cd" * 32, b"again"))
    assert checkpoints.latest() == first


def test_only_what_the_log_holds_is_kept(
    database: Database, checkpoints: CheckpointStore
) -> None:
    good = record(database, 2)
    for seq, said in ((2, digest("other")), (9, good.digest)):
        with pytest.raises(Conflict):
            checkpoints.add(CheckpointRecord(seq, said, NOW, "ab" * 32, b"x"))
    with pytest.raises(InvalidRecord):
        checkpoints.add(CheckpointRecord(2, good.digest[:31], NOW, "ab" * 32, b"x"))
    assert checkpoints.page().items == ()
