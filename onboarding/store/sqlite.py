"""SQLite behind ``direct``: the standard library's driver, several processes.

Opening is safe for any number of processes at once: the file is created empty
with mode 0600 before SQLite sees it, and the switch to WAL is tried again
while another process makes the same switch.
"""

import os
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Self

from onboarding.store.direct import Row, Sql, Value
from onboarding.store.errors import (
    Conflict,
    InvalidRecord,
    StoreError,
    StoreUnavailable,
)

BUSY_SECONDS = 10.0
_CACHE_KIB = 512  # of each connection's pages; the system keeps them all once, for all
_SWITCH_PAUSE = 0.02
_FAULTS = (sqlite3.Error, OverflowError, UnicodeError)


def prepare_file(path: Path) -> None:
    """Create the database file (0600, its directory 0700) and turn on WAL.

    Raises:
        StoreUnavailable: The file cannot be made, opened, or is no database.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        _switch_to_wal(path)
    except (OSError, sqlite3.Error) as error:
        raise StoreUnavailable(f"cannot open {path}: {error}") from error


def _switch_to_wal(path: Path) -> None:
    # SQLite does not wait its busy time for this one change.
    deadline = time.monotonic() + BUSY_SECONDS
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        while True:
            try:
                connection.execute("PRAGMA journal_mode=WAL").fetchall()
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(_SWITCH_PAUSE)
            else:
                return
    finally:
        connection.close()


def configure(connection: sqlite3.Connection, synchronous: str) -> None:
    """Set what SQLite keeps per connection, for ours and for SQLAlchemy's."""
    connection.isolation_level = None  # transactions begin where we say so
    connection.execute(f"PRAGMA busy_timeout={int(BUSY_SECONDS * 1000)}")
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute(f"PRAGMA synchronous={synchronous}")
    connection.execute(f"PRAGMA cache_size={-_CACHE_KIB}")


class WriteTurn:
    """The turn to write to one file, for the threads of this process.

    SQLite's own waiting is a sleep that grows, so of many threads some never come
    to their turn; other processes are still waited for in that way.
    """

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = Lock()

    def __call__(self) -> Self:
        """Return what is held for the length of a block."""
        return self

    def __enter__(self) -> None:
        """Wait for it. Raises StoreUnavailable."""
        if not self._lock.acquire(timeout=BUSY_SECONDS):
            raise StoreUnavailable("SQLite: other threads write without an end")

    def __exit__(self, *_: object) -> None:
        self._lock.release()


class SqliteConnection:
    """One sqlite3 connection; the driver keeps its statements prepared."""

    __slots__ = ("_raw",)

    def __init__(self, raw: sqlite3.Connection) -> None:
        self._raw = raw

    @classmethod
    def open(cls, path: Path, synchronous: str) -> "SqliteConnection":
        """Connect to a file that ``prepare_file`` made.

        Raises:
            StoreUnavailable: The file cannot be opened.
        """
        try:
            # The pool hands a connection to one thread at a time.
            raw = sqlite3.connect(path, timeout=BUSY_SECONDS, check_same_thread=False)
            configure(raw, synchronous)
        except sqlite3.Error as error:
            raise StoreUnavailable(f"cannot open {path}: {error}") from error
        return cls(raw)

    def rows(self, sql: Sql, parameters: Sequence[Value] = ()) -> Sequence[Row]:
        try:
            # All rows at once: an unfinished cursor would keep its read open.
            return self._raw.execute(sql.sqlite, parameters).fetchall()
        except _FAULTS as error:
            raise _fault(error) from error

    def count(self, sql: Sql, parameters: Sequence[Value] = ()) -> int:
        try:
            return self._raw.execute(sql.sqlite, parameters).rowcount
        except _FAULTS as error:
            raise _fault(error) from error

    def begin(self) -> None:
        self._control("BEGIN IMMEDIATE")

    def commit(self) -> None:
        self._control("COMMIT")

    def rollback(self) -> None:
        if self._raw.in_transaction:
            self._control("ROLLBACK")

    @property
    def usable(self) -> bool:
        return not self._raw.in_transaction

    def close(self) -> None:
        self._raw.close()

    def _control(self, text: str) -> None:
        try:
            self._raw.execute(text)
        except _FAULTS as error:
            raise _fault(error) from error


def _fault(error: Exception) -> StoreError:
    if not isinstance(error, sqlite3.Error):
        return InvalidRecord("a number or text that no column can hold")
    if isinstance(error, sqlite3.IntegrityError):
        return Conflict("a row with that name, or its counterpart, forbids it")
    return StoreUnavailable(f"SQLite: {error}")
