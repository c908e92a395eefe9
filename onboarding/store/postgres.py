"""PostgreSQL behind ``direct``: psycopg 3, each statement prepared at once.

The one module that imports psycopg, so that a SQLite deployment need not have
it installed (extra ``postgres``).
"""

from collections.abc import Sequence
from typing import Any, LiteralString, cast

import psycopg
from psycopg import errors
from psycopg.adapt import PyFormat, Transformer
from psycopg.pq import ExecStatus, Format, TransactionStatus
from psycopg.pq.abc import PGresult

from onboarding.store.direct import Row, Sql, Value
from onboarding.store.errors import (
    Conflict,
    DatabaseUnfit,
    InvalidRecord,
    StoreError,
    StoreUnavailable,
)

KEPT = 200  # statements that a connection of ours keeps prepared

_CONNECT_SECONDS = 5
_ENCODING = "UTF8"
_FAULTS = (psycopg.Error, UnicodeError)
_GOOD = (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK)


class PostgresConnection:
    """A connection whose transactions belong to somebody else: SQLAlchemy's."""

    __slots__ = ("_raw",)

    def __init__(self, raw: "psycopg.Connection[Any]") -> None:
        self._raw = raw

    def rows(self, sql: Sql, parameters: Sequence[Value] = ()) -> Sequence[Row]:
        return cast(Sequence[Row], self._execute(sql, parameters).fetchall())

    def count(self, sql: Sql, parameters: Sequence[Value] = ()) -> int:
        return self._execute(sql, parameters).rowcount

    def begin(self) -> None:
        self._control("BEGIN")

    def commit(self) -> None:
        self._control("COMMIT")

    def rollback(self) -> None:
        if not self._raw.closed:
            self._control("ROLLBACK")

    @property
    def usable(self) -> bool:
        return self._raw.info.transaction_status == TransactionStatus.IDLE

    def close(self) -> None:
        self._raw.close()

    def _execute(self, sql: Sql, parameters: Sequence[Value]) -> "psycopg.Cursor[Any]":
        try:
            return self._raw.execute(sql.postgres, parameters, binary=True)
        except _FAULTS as error:
            raise _fault(error) from error

    def _control(self, text: LiteralString) -> None:
        try:
            self._raw.execute(text)
        except _FAULTS as error:
            raise _fault(error) from error


class PreparedConnection(PostgresConnection):
    """One connection of our own, in autocommit, with explicit transactions.

    Statements are prepared and run by libpq itself, for a quarter of what a cursor
    costs; psycopg turns values into bytes and back. A call holds its thread until
    the server has answered.
    """

    __slots__ = ("_names", "_values")

    def __init__(self, raw: "psycopg.Connection[Any]") -> None:
        super().__init__(raw)
        self._values = Transformer(raw)
        self._names: dict[tuple[str, tuple[int, ...]], bytes] = {}

    @classmethod
    def open(cls, conninfo: str, synchronous_commit: str) -> "PreparedConnection":
        """Connect.

        Raises:
            StoreUnavailable: The server refuses, or does not answer in 5 s.
            DatabaseUnfit: As ``require_unicode``.
        """
        try:
            raw = psycopg.connect(
                conninfo, autocommit=True, connect_timeout=_CONNECT_SECONDS
            )
            require_unicode(raw)
            raw.execute(
                "SELECT set_config('synchronous_commit', %s, false)",
                (synchronous_commit,),
            )
        except psycopg.Error as error:
            raise StoreUnavailable("PostgreSQL does not accept us") from error
        return cls(raw)

    def rows(self, sql: Sql, parameters: Sequence[Value] = ()) -> Sequence[Row]:
        try:
            result = self._run(sql, parameters)
            self._values.set_pgresult(result)
            return self._values.load_rows(0, result.ntuples, tuple)
        except _FAULTS as error:
            raise _fault(error) from error

    def count(self, sql: Sql, parameters: Sequence[Value] = ()) -> int:
        try:
            return self._run(sql, parameters).command_tuples or 0
        except _FAULTS as error:
            raise _fault(error) from error

    def _run(self, sql: Sql, parameters: Sequence[Value]) -> PGresult:
        values = self._values
        formats = [PyFormat.BINARY] * len(parameters)
        given = cast(Sequence[bytes], values.dump_sequence(parameters, formats))
        types = tuple(values.types or ())
        name = self._names.get((sql.prepared, types)) or self._prepare(sql, types)
        server = self._raw.pgconn
        return _good(server.exec_prepared(name, given, values.formats, Format.BINARY))

    def _prepare(self, sql: Sql, types: tuple[int, ...]) -> bytes:
        """Prepare the statement for values of these types, and return its name."""
        if len(self._names) >= KEPT:  # some are written for as many values as there are
            _good(self._raw.pgconn.exec_(b"DEALLOCATE ALL"))
            self._names.clear()
        name = f"vouchgate_{len(self._names)}".encode()
        text = sql.prepared.encode()
        _good(self._raw.pgconn.prepare(name, text, types))
        self._names[sql.prepared, types] = name
        return name

    def _control(self, text: LiteralString) -> None:
        try:
            _good(self._raw.pgconn.exec_(text.encode()))
        except _FAULTS as error:
            raise _fault(error) from error


def require_unicode(raw: "psycopg.Connection[Any]") -> None:
    """Refuse a database that could not hold every text, or gives bytes for text.

    Raises:
        DatabaseUnfit: It has another encoding than UTF8; the connection is closed.
    """
    encoding = raw.info.parameter_status("server_encoding")
    if encoding == _ENCODING:
        return
    name = raw.info.dbname
    raw.close()
    raise DatabaseUnfit(
        f"the database {name} is in {encoding}, which cannot hold every text; make one"
        " in UTF8 and name that: CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0"
        " LOCALE 'C'"
    )


def _good(result: PGresult) -> PGresult:
    if result.status in _GOOD:
        return result
    raise errors.error_from_result(result)


def _fault(error: Exception) -> StoreError:
    if isinstance(error, psycopg.DataError | UnicodeError):
        return InvalidRecord("a number or text that no column can hold")
    if isinstance(error, psycopg.IntegrityError):
        return Conflict("a row with that name, or its counterpart, forbids it")
    return StoreUnavailable(f"PostgreSQL: {type(error).__name__}")
