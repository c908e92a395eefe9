"""Plain SQL for the message path: one prepared statement, no ORM.

A statement is written once with ``?`` for its parameters and translated for
psycopg when the module that holds it is imported. Connections wait in a pool
that is as large as the most calls ever under way at once.
"""

import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import count
from typing import Any, Protocol

Value = bytes | int | str | None
Turn = Callable[[], AbstractContextManager[None]]
Row = tuple[Any, ...]  # the statement that selects knows its column types


class Sql:
    """One statement in each dialect, translated when it is built.

    ``postgres_suffix`` adds what only PostgreSQL needs, such as ``FOR UPDATE``:
    SQLite has one writer at a time and so no row locks.
    """

    __slots__ = ("postgres", "prepared", "sqlite")

    def __init__(self, text: str, postgres_suffix: str = "") -> None:
        self.sqlite = text
        self.postgres = text.replace("%", "%%").replace("?", "%s") + postgres_suffix
        numbers = count(1)
        self.prepared = re.sub(r"\?", lambda _: f"${next(numbers)}", text)
        self.prepared += postgres_suffix


class Connection(Protocol):
    """One connection of either driver, in one transaction or in none."""

    def rows(self, sql: Sql, parameters: Sequence[Value] = ()) -> Sequence[Row]:
        """Run a statement that yields rows, and return all of them."""

    def count(self, sql: Sql, parameters: Sequence[Value] = ()) -> int:
        """Run a statement that yields none; return how many rows it touched."""

    def begin(self) -> None:
        """Open a transaction that may write, waiting for its turn."""

    def commit(self) -> None:
        """Make the transaction durable."""

    def rollback(self) -> None:
        """Undo the transaction, if one is open."""

    @property
    def usable(self) -> bool:
        """Whether the connection can go back into the pool."""

    def close(self) -> None:
        """Give the connection back to the system."""


class Direct:
    """A pool of connections to one database, safe to share between threads.

    Args:
        connect: Opens a connection.
        turn: Held while something is written; a database that takes one writer at a
            time has its writers wait there, in line and without a connection each.

    Raises:
        StoreUnavailable: From every method, when the database fails.
    """

    def __init__(
        self, connect: Callable[[], Connection], turn: Turn = nullcontext
    ) -> None:
        self._connect = connect
        self._turn = turn
        self._idle: deque[Connection] = deque()

    def rows(self, sql: Sql, parameters: Sequence[Value] = ()) -> Sequence[Row]:
        """Run one statement in a transaction of its own; return its rows."""
        connection = self._take()
        try:
            return connection.rows(sql, parameters)
        finally:
            self._give_back(connection)

    def one(self, sql: Sql, parameters: Sequence[Value] = ()) -> Row | None:
        """Return the first row, or None when there is none."""
        found = self.rows(sql, parameters)
        return found[0] if found else None

    def count(self, sql: Sql, parameters: Sequence[Value] = ()) -> int:
        """Run one statement in a transaction of its own; return rows touched."""
        with self._turn():
            connection = self._take()
            try:
                return connection.count(sql, parameters)
            finally:
                self._give_back(connection)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Commit when the block ends, undo everything when it raises."""
        with self._turn():
            yield from self._committed()

    def _committed(self) -> Iterator[Connection]:
        connection = self._take()
        try:
            connection.begin()
            try:
                yield connection
            except BaseException:
                connection.rollback()
                raise
            connection.commit()
        finally:
            self._give_back(connection)

    def close(self) -> None:
        """Close every idle connection; use after this opens new ones."""
        while self._idle:
            self._idle.pop().close()

    def _take(self) -> Connection:
        try:
            return self._idle.pop()
        except IndexError:
            return self._connect()

    def _give_back(self, connection: Connection) -> None:
        if connection.usable:
            self._idle.append(connection)
        else:
            # The server went away: the other idle ones are as dead as this one.
            connection.close()
            self.close()
