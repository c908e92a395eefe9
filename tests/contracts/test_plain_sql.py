"""Plain SQL: one statement in each dialect, and what it does with values."""

from collections.abc import Iterator

import pytest
from sqlalchemy import text

from onboarding.store.database import Database
from onboarding.store.direct import Direct, Sql, Value
from onboarding.store.errors import Conflict, InvalidRecord, StoreUnavailable
from onboarding.store.postgres import KEPT

PUT = Sql("INSERT INTO odds (name, content, size) VALUES (?, ?, ?)")
ALL = Sql("SELECT name, content, size FROM odds ORDER BY name")


@pytest.fixture
def direct(database: Database) -> Iterator[Direct]:
    """A database with a table of odds and ends."""
    blob = "BYTEA" if database.is_postgres else "BLOB"
    table = f"odds (name TEXT PRIMARY KEY, content {blob}, size BIGINT)"
    database.direct.count(Sql(f"CREATE TABLE {table}"))
    yield database.direct
    database.direct.count(Sql("DROP TABLE odds"))


@pytest.mark.parametrize(
    "values",
    [
        ("a", b"\x00\xff", 1),
        ("", b"", -(2**63)),
        ("ä%?", None, None),
        ("b", b"x", 2**63 - 1),
    ],
)
def test_values_come_back_as_they_were(
    direct: Direct, values: tuple[str, bytes | None, int | None]
) -> None:
    assert direct.count(PUT, values) == 1
    assert direct.rows(ALL) == [values]


def test_a_statement_takes_values_of_other_types_the_next_time(direct: Direct) -> None:
    rows: list[tuple[Value, ...]] = [
        ("a", None, 1),
        ("b", b"x", None),
        ("c", b"", 2**40),
    ]
    for row in rows:
        direct.count(PUT, row)
    assert direct.rows(ALL) == rows


def test_more_statements_than_are_kept_prepared_are_all_run(direct: Direct) -> None:
    direct.count(PUT, ("a", b"x", 1))
    for number in range(KEPT + 20):
        sql = Sql(f"SELECT size + {number} FROM odds WHERE name = ?")  # noqa: S608
        found = direct.rows(sql, ("a",))
        assert found == [(1 + number,)]
    assert direct.rows(ALL) == [("a", b"x", 1)]


def test_a_count_is_of_the_rows_that_were_touched(direct: Direct) -> None:
    for name in ("a", "b", "c"):
        direct.count(PUT, (name, b"", 0))
    assert direct.count(Sql("UPDATE odds SET size = ? WHERE name > ?"), (7, "a")) == 2
    assert direct.count(Sql("DELETE FROM odds WHERE name = ?"), ("z",)) == 0


@pytest.mark.parametrize("size", [2**63, -(2**64), 2**70])
def test_a_number_that_no_column_holds_is_an_invalid_record(
    direct: Direct, size: int
) -> None:
    with pytest.raises(InvalidRecord):
        direct.count(PUT, ("a", b"", size))
    assert not direct.rows(ALL)


def test_a_name_that_is_taken_is_a_conflict_and_undoes_the_transaction(
    direct: Direct,
) -> None:
    direct.count(PUT, ("a", b"first", 1))
    with pytest.raises(Conflict):
        _put(direct, ("b", b"", 2), ("a", b"second", 3))
    assert direct.rows(ALL) == [("a", b"first", 1)]
    direct.count(PUT, ("b", b"", 2))  # the connection is good for more


def _put(direct: Direct, *rows: tuple[Value, ...]) -> None:
    with direct.transaction() as connection:
        for row in rows:
            connection.count(PUT, row)


def test_a_statement_that_is_wrong_is_a_fault_of_the_database(direct: Direct) -> None:
    with pytest.raises(StoreUnavailable):
        direct.rows(Sql("SELECT nothing FROM nowhere"))
    assert direct.rows(ALL) == []


def test_a_connection_that_the_server_ended_is_not_used_again(
    direct: Direct, database: Database
) -> None:
    if not database.is_postgres:
        pytest.skip("SQLite has no server")
    direct.rows(ALL)
    end = Sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    with database.session() as session:
        session.execute(text(end.postgres))
    with pytest.raises(StoreUnavailable):
        direct.rows(ALL)
    assert direct.rows(ALL) == []
