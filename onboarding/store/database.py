"""One database: its engine for people, its plain connections for messages.

Main data is durable (SQLite: WAL, synchronous=FULL). Runs, which a device can
simply start again, live apart and without fsync: in a file of their own, or in
UNLOGGED tables on PostgreSQL.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DataError, IntegrityError, SQLAlchemyError
from sqlalchemy.orm import configure_mappers
from sqlmodel import Session

from onboarding.store import runs_schema, schema
from onboarding.store import sqlite as sqlite_files
from onboarding.store.direct import Connection as DirectConnection
from onboarding.store.direct import Direct, Turn
from onboarding.store.errors import (
    Conflict,
    InvalidRecord,
    StoreError,
    StoreUnavailable,
)
from onboarding.store.events import Event, append
from onboarding.store.room import Inode, inode_of, room_fault
from onboarding.store.runs_file import RunsFile, file_of_this_boot
from onboarding.store.sqlite import SqliteConnection, WriteTurn

_WRITE = "vouchgate_write"
_FILE = "file:///"


class Writing:
    """One transaction: rows through ``session``, plain SQL through ``direct``."""

    __slots__ = ("direct", "session")

    def __init__(self, session: Session, direct: DirectConnection) -> None:
        self.session = session
        self.direct = direct

    def log(self, event: Event) -> None:
        """Append the audit event of the change made here; call it last."""
        self.session.flush()
        append(self.direct, event)


class Database:
    """A store's database and its runs, shared by all threads of a process.

    Args:
        url: ``sqlite:///path`` or ``postgresql+psycopg://…``.
        runs_url: Where runs live: ``file:///path``, or PostgreSQL. By default a file
            beside the SQLite file, or the same PostgreSQL database.

    Raises:
        StoreUnavailable: The URL is of neither kind, or a file cannot be made.
    """

    def __init__(self, url: str, runs_url: str | None = None) -> None:
        main = _parse(url)
        self.is_postgres = _is_postgres(main)
        self._turn: Turn = nullcontext if self.is_postgres else WriteTurn()
        self.direct = _direct(main, self._turn, durable=True)
        self.runs = _runs(main, runs_url)
        self._path = None if self.is_postgres else _path(main)
        self._opened: Inode | None = None
        self._engine = _engine(main)
        self._writing = self._engine.execution_options(**{_WRITE: True})

    def migrate(self) -> None:
        """Bring the schema to this version; any number of processes may ask.

        Raises:
            StoreUnavailable: The database fails, or is of a newer version.
            DatabaseUnfit: It is in another encoding than UTF8.
        """
        if not self.is_current():
            with self.rebuilding() as connection:
                schema.upgrade(connection)
        if isinstance(self.runs, Direct):
            runs_schema.create(self.runs)
        configure_mappers()  # else whoever comes first waits for it

    def is_current(self) -> bool:
        """Whether the schema is the one this version was written for."""
        with _translated(), self._engine.connect() as connection:
            current = schema.is_current(connection)
        self._opened = self._opened or inode_of(self._path)
        return current

    def fault(self, min_free: int) -> str:
        """What would keep a change from being stored; see ``room.room_fault``."""
        opened = self._opened or inode_of(self._path)
        return room_fault(self._path, opened, self.direct, min_free)

    def revision(self) -> str:
        """The newest migration that the tables have seen; empty if they have none."""
        with _translated(), self._engine.connect() as connection:
            return schema.revision_of(connection)

    def downgrade(self, revision: str, event: Event) -> None:
        """Undo every migration after one, and log it; what only those know is lost.

        Raises:
            StoreUnavailable: The database fails, or no way leads there.
        """
        with self.rebuilding() as connection:
            schema.downgrade(connection, revision)
            append(self._wrap(connection.connection.driver_connection), event)

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A session to read with; what it changes is not committed."""
        with _translated(), Session(self._engine) as session:
            yield session

    @contextmanager
    def transaction(self) -> Iterator[Writing]:
        """A session to write with: commits at the end, or leaves no trace.

        Raises:
            Conflict: A uniqueness or foreign key rule was broken.
            StoreUnavailable: The database failed.
        """
        with (
            _translated(),
            self._turn(),
            Session(self._writing) as session,
            session.begin(),
        ):
            raw = session.connection().connection.driver_connection
            yield Writing(session, self._wrap(raw))

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """A connection that sees one moment, however long it reads."""
        engine = self._engine
        if self.is_postgres:
            engine = engine.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
        with _translated(), engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def rebuilding(self) -> Iterator[Connection]:
        """A connection to make tables and rows with: all of it, or nothing.

        Rows refer to rows that are there when it ends; meanwhile they need not.
        """
        with (
            _translated(),
            self._writing.connect() as connection,
            _unchecked(connection),
            connection.begin(),
        ):
            yield connection
            _check_references(connection)

    def close(self) -> None:
        """Close every idle connection."""
        self.direct.close()
        self.runs.close()
        self._engine.dispose()

    def _wrap(self, raw: Any) -> DirectConnection:
        if not self.is_postgres:
            return SqliteConnection(raw)
        from onboarding.store.postgres import PostgresConnection

        return PostgresConnection(raw)


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise StoreUnavailable("the database URL cannot be read") from error
    if parsed.drivername in ("postgresql", "postgresql+psycopg"):
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername in ("sqlite", "sqlite+pysqlite"):
        if parsed.database and parsed.database != ":memory:":
            return parsed.set(drivername="sqlite+pysqlite")
        raise StoreUnavailable("a SQLite URL must name a file: sqlite:///path")
    raise StoreUnavailable(
        f"{parsed.drivername} is not supported; use sqlite:///path or "
        "postgresql+psycopg://user@host/name"
    )


def _is_postgres(url: URL) -> bool:
    return url.drivername.startswith("postgresql")


def _path(url: URL) -> Path:
    return Path(str(url.database)).absolute()


def _runs(main: URL, told: str | None) -> Direct | RunsFile:
    """Where runs are; no file of an earlier boot is opened, which may be torn."""
    if told is not None and told.startswith(_FILE):
        return RunsFile(file_of_this_boot(Path("/", told.removeprefix(_FILE))))
    if told is None and not _is_postgres(main):
        return RunsFile(file_of_this_boot(_path(main)))
    url = main if told is None else _parse(told)
    if not _is_postgres(url):
        raise StoreUnavailable("runs are kept in file:///path, or on PostgreSQL")
    return _direct(url, nullcontext, durable=False)


def _direct(url: URL, turn: Turn, *, durable: bool) -> Direct:
    if not _is_postgres(url):
        path = _path(url)
        sqlite_files.prepare_file(path)
        return Direct(partial(SqliteConnection.open, path, "FULL"), turn)
    from onboarding.store.postgres import PreparedConnection

    conninfo = url.set(drivername="postgresql").render_as_string(hide_password=False)
    return Direct(
        partial(PreparedConnection.open, conninfo, "on" if durable else "off")
    )


def _engine(url: URL) -> Engine:
    if _is_postgres(url):
        engine = create_engine(url, pool_pre_ping=True, max_overflow=35)
        # Before SQLAlchemy asks the server anything, which it could not read.
        event.listen(engine, "connect", _on_postgres, insert=True)
        return engine
    engine = create_engine(
        url.set(database=str(_path(url))),
        max_overflow=35,
        connect_args={"timeout": sqlite_files.BUSY_SECONDS, "check_same_thread": False},
    )
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "begin", _on_begin)
    return engine


def _on_postgres(raw: Any, _record: object) -> None:
    from onboarding.store.postgres import require_unicode

    require_unicode(raw)


def _on_connect(raw: Any, _record: object) -> None:
    sqlite_files.configure(raw, "FULL")


def _on_begin(connection: Connection) -> None:
    # A writer takes its turn at once: a reader that turns writer half way
    # through would fail when another wrote meanwhile.
    writes = connection.get_execution_options().get(_WRITE, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def _unchecked(connection: Connection) -> Iterator[None]:
    """Let SQLite drop a table that others refer to, to make it anew."""
    if connection.dialect.name != "sqlite":
        yield
        return
    raw: Any = connection.connection.driver_connection
    raw.execute("PRAGMA foreign_keys=OFF")  # does nothing once a transaction began
    try:
        yield
    finally:
        raw.execute("PRAGMA foreign_keys=ON")


def _check_references(connection: Connection) -> None:
    if connection.dialect.name != "sqlite":
        return
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
    if broken is not None:
        raise StoreUnavailable(f"a row of {broken[0]} refers to none of {broken[2]}")


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except StoreError:
        raise
    except IntegrityError as error:
        raise Conflict(
            "a row with that name, or its counterpart, forbids it"
        ) from error
    except (DataError, OverflowError, UnicodeError) as error:
        raise InvalidRecord("a number or text that no column can hold") from error
    except SQLAlchemyError as error:
        raise StoreUnavailable(
            f"the database failed: {type(error).__name__}"
        ) from error
