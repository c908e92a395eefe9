"""PostgreSQL behind ``direct``: psycopg 3, each statement prepared at once.

The one module that imports psycopg, so that a SQLite deployment need not have
it installed (extra ``postgres``).
"""

from collections.abc import Sequence
from typing import Any, LiteralString, cast

import psycopg
from psycopg.pq import TransactionStatus

from onboarding.store.direct import Row, Sql, Value
from onboarding.store.errors import (
    Conflict,
    InvalidRecord,
    StoreError,
    StoreUnavailable,
)

_CONNECT_SECONDS = 5
_FAULTS = (psycopg.Error, UnicodeError)


class PostgresConnection:
    """One psycopg connection in autocommit, with explicit transactions."""

    __slots__ = ("_raw",)

    def __init__(self, raw: "psycopg.Connection[Any]") -> None:
        self._raw = raw

    @classmethod
    def open(cls, conninfo: str, synchronous_commit: str) -> "PostgresConnection":
        """Connect.

        Raises:
            StoreUnavailable: The server refuses, or does not answer in 5 s.
        """
        try:
            raw = psycopg.connect(
                conninfo,
                autocommit=True,
                prepare_threshold=0,
                connect_timeout=_CONNECT_SECONDS,
            )
            raw.execute(
                "SELECT set_config('synchronous_commit', %s, false)",
                (synchronous_commit,),
            )
        except psycopg.Error as error:
            raise StoreUnavailable("PostgreSQL does not accept us") from error
        return cls(raw)

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


def _fault(error: Exception) -> StoreError:
    if isinstance(error, psycopg.DataError | UnicodeError):
        return InvalidRecord("a number or text that no column can hold")
    if isinstance(error, psycopg.IntegrityError):
        return Conflict("a row with that name, or its counterpart, forbids it")
    return StoreUnavailable(f"PostgreSQL: {type(error).__name__}")
