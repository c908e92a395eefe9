"""Statements are translated once; the pool never hands out a broken one."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from onboarding.store import sqlite
from onboarding.store.database import Database
from onboarding.store.direct import Direct, Sql
from onboarding.store.errors import Conflict, InvalidRecord, StoreUnavailable
from onboarding.store.events import Event
from onboarding.store.sqlite import SqliteConnection, prepare_file
from onboarding.store.tasks import TaskStore
from tests.support.store_records import race

ADD = Sql("INSERT INTO t (a) VALUES (?)")
ALL = Sql("SELECT a FROM t ORDER BY a")


@pytest.fixture
def direct(tmp_path: Path) -> Iterator[Direct]:
    path = tmp_path / "t.db"
    prepare_file(path)
    direct = Direct(lambda: SqliteConnection.open(path, "OFF"))
    direct.count(Sql("CREATE TABLE t (a INTEGER PRIMARY KEY)"))
    yield direct
    direct.close()


def test_a_statement_is_written_once_for_both_databases() -> None:
    sql = Sql("SELECT a FROM t WHERE b LIKE 'x%' AND c = ?", " FOR UPDATE")
    assert sql.sqlite == "SELECT a FROM t WHERE b LIKE 'x%' AND c = ?"
    assert sql.postgres == "SELECT a FROM t WHERE b LIKE 'x%%' AND c = %s FOR UPDATE"


def test_a_transaction_commits_as_a_whole(direct: Direct) -> None:
    with direct.transaction() as connection:
        connection.count(ADD, (1,))
        connection.count(ADD, (2,))
        assert direct.rows(ALL) == []
    assert direct.rows(ALL) == [(1,), (2,)]


def test_a_transaction_that_raises_leaves_nothing(direct: Direct) -> None:
    def fail_half_way() -> None:
        with direct.transaction() as connection:
            connection.count(ADD, (1,))
            connection.count(ADD, (1,))

    with pytest.raises(Conflict):
        fail_half_way()
    assert direct.rows(ALL) == []
    assert direct.count(ADD, (1,)) == 1


def test_one_row_or_none(direct: Direct) -> None:
    assert direct.one(ALL) is None
    direct.count(ADD, (3,))
    assert direct.one(ALL) == (3,)


def test_a_fault_of_the_database_is_ours_to_name(direct: Direct) -> None:
    with pytest.raises(StoreUnavailable):
        direct.rows(Sql("SELECT * FROM absent"))
    with pytest.raises(InvalidRecord):
        direct.count(ADD, (1 << 64,))


def test_idle_connections_are_reused_and_closed(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    prepare_file(path)
    opened = []

    def connect() -> SqliteConnection:
        opened.append(SqliteConnection.open(path, "OFF"))
        return opened[-1]

    direct = Direct(connect)
    for _ in range(5):
        direct.one(Sql("SELECT 1"))
    assert len(opened) == 1
    with direct.transaction():
        direct.one(Sql("SELECT 1"))
    assert len(opened) == 2
    direct.close()
    direct.one(Sql("SELECT 1"))
    assert len(opened) == 3
    direct.close()


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    path.write_bytes(b"this is not a database, it only looks like a file" * 50)
    with pytest.raises(StoreUnavailable):
        prepare_file(path)


def test_threads_write_to_sqlite_in_turn_and_none_waits_for_ever(
    sqlite_database: Database,
) -> None:
    tasks = TaskStore(sqlite_database)

    def write(name: str) -> None:
        for number in range(20):
            tasks.enqueue("to0", f"{name} {number}", 1)
            with sqlite_database.transaction() as writing:
                writing.log(Event("test", name, 1))

    results = race(*(partial(write, str(number)) for number in range(12)))
    assert results == [None] * 12
    assert tasks.backlog("to0", 1).due == 240


def test_a_turn_that_never_comes_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.01)
    turn = sqlite.WriteTurn()
    with turn(), pytest.raises(StoreUnavailable, match="other threads"), turn():
        pass
    with turn():
        pass
