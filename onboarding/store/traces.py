"""What is remembered of runs, so that an operator can be told where one stopped.

Rows are written after the fact, many in one commit; what a run needs is not here.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from onboarding.store.database import Database
from onboarding.store.direct import Connection, Row, Sql, Value
from onboarding.store.pages import Page, bytes_cursor, clamp, time_cursor

STEPS_LIMIT = 2000
ERROR_LIMIT = 300
SIGHTINGS_KEPT = 1000

_COLUMNS = (
    "run, version, protocol, guid, serial, started, updated, messages, passed, "
    "refused, code, error, by_peer, proven, done, steps"
)
# Replicas that share a run write its parts one after the other, in any order. What
# was said of its end stands.
_NEWER = {"passed": "COALESCE(excluded.passed, traces.passed)"}
_STANDS = ("updated", "passed", "refused", "code", "error", "by_peer")
_WIDTH = _COLUMNS.count(",") + 1
_TOGETHER = 32  # rows in one statement
_MERGE = (
    " ON CONFLICT (run) DO UPDATE SET "
    "guid = COALESCE(traces.guid, excluded.guid), "
    "serial = CASE WHEN traces.serial = '' THEN excluded.serial "
    "ELSE traces.serial END, messages = traces.messages + excluded.messages, "
    + "".join(
        f"{name} = CASE WHEN traces.done + traces.by_peer > 0 THEN traces.{name} "
        f"ELSE {_NEWER.get(name, f'excluded.{name}')} END, "
        for name in _STANDS
    )
    + "proven = CASE WHEN traces.proven = 1 THEN 1 ELSE excluded.proven END, "
    "done = CASE WHEN traces.done = 1 THEN 1 ELSE excluded.done END, "
    "steps = CASE WHEN length(traces.steps) + length(excluded.steps) <= "
    f"{STEPS_LIMIT} THEN traces.steps || excluded.steps ELSE traces.steps END"
)


@cache
def _writing(rows: int) -> Sql:
    row = f"({', '.join('?' * _WIDTH)})"
    values = ", ".join([row] * rows)
    return Sql(f"INSERT INTO traces ({_COLUMNS}) VALUES {values}{_MERGE}")  # noqa: S608


_SIGHT = Sql(
    "INSERT INTO sightings (guid, message, count, first_at, last_at) "
    "VALUES (?, ?, ?, ?, ?) ON CONFLICT (guid) DO UPDATE SET "
    "message = excluded.message, count = sightings.count + excluded.count, "
    "last_at = excluded.last_at"
)
_OF = f"SELECT {_COLUMNS} FROM traces WHERE guid IN ({{}}) "  # noqa: S608
_NEWEST = "ORDER BY updated DESC, run LIMIT ?"
_OF_SERIAL = Sql(f"SELECT {_COLUMNS} FROM traces WHERE serial = ? {_NEWEST}")  # noqa: S608
_PAGE = Sql(
    f"SELECT {_COLUMNS} FROM traces "  # noqa: S608
    f"WHERE updated < ? OR (updated = ? AND run > ?) {_NEWEST}"
)
_SIGHTING = Sql(
    "SELECT guid, message, count, first_at, last_at FROM sightings WHERE guid = ?"
)
_SIGHTINGS = Sql(
    "SELECT guid, message, count, first_at, last_at FROM sightings "
    "WHERE last_at < ? OR (last_at = ? AND guid > ?) "
    "ORDER BY last_at DESC, guid LIMIT ?"
)
_BEFORE = (
    Sql("DELETE FROM traces WHERE updated < ?"),
    Sql("DELETE FROM sightings WHERE last_at < ?"),
)
_PER_DEVICE = Sql(
    "DELETE FROM traces WHERE run IN (SELECT run FROM (SELECT run, ROW_NUMBER() OVER "
    "(PARTITION BY guid, protocol ORDER BY updated DESC, run) AS place FROM traces "
    "WHERE guid IS NOT NULL) AS ranked WHERE place > ?)"
)
# A stranger can make traces of runs that prove nothing: those go first.
_IN_ALL = Sql(
    "DELETE FROM traces WHERE run IN (SELECT run FROM traces "
    "ORDER BY proven DESC, updated DESC, run LIMIT ? OFFSET ?)"
)
_SIGHTINGS_IN_ALL = Sql(
    "DELETE FROM sightings WHERE guid IN (SELECT guid FROM sightings "
    "ORDER BY CASE WHEN count > 1 THEN 1 ELSE 0 END DESC, last_at DESC, guid "
    "LIMIT ? OFFSET ?)"
)
_ALL = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Trace:
    """What became of one run, or the part of it that one replica saw.

    ``passed`` is the last message that was taken, ``refused`` one that was refused
    after it, with its FDO ``code`` and our words for it, or, if ``by_peer``, the
    peer's. ``steps`` has ``type,at,times,code;`` for each step; times in seconds
    since 1970.
    """

    run: bytes
    version: int
    protocol: str
    guid: bytes | None
    serial: str
    started: int
    updated: int
    messages: int
    passed: int | None
    refused: int | None
    code: int | None
    error: str
    by_peer: bool
    proven: bool
    done: bool
    steps: str


@dataclass(frozen=True, slots=True)
class Sighting:
    """A GUID nothing is known of: which message named it last, and how often."""

    guid: bytes
    message: int
    count: int
    first_at: int
    last_at: int


class TraceStore:
    """Traces by run, GUID or serial number; bounded by ``prune``."""

    def __init__(self, database: Database) -> None:
        self._direct = database.direct

    def write(self, traces: Iterable[Trace], sightings: Iterable[Sighting]) -> None:
        """Add to what is known, in one commit; how a run ended stays as it is."""
        with self._direct.transaction() as connection:
            ordered = sorted(traces, key=lambda one: one.run)
            for start in range(0, len(ordered), _TOGETHER):
                part = ordered[start : start + _TOGETHER]
                values = [value for one in part for value in _values(one)]
                connection.count(_writing(len(part)), values)
            for one in sorted(sightings, key=lambda one: one.guid):
                sight = (one.guid, one.message, one.count, one.first_at, one.last_at)
                connection.count(_SIGHT, sight)

    def of(self, guids: Sequence[bytes], limit: int = 50) -> tuple[Trace, ...]:
        """The newest runs about any of these GUIDs, newest first."""
        if not guids:
            return ()
        marks = ", ".join("?" for _ in guids)
        rows = self._direct.rows(
            Sql(_OF.format(marks) + _NEWEST), (*guids, clamp(limit))
        )
        return tuple(_trace(row) for row in rows)

    def of_serial(self, serial: str, limit: int = 50) -> tuple[Trace, ...]:
        """The newest runs about that serial number, newest first."""
        if not serial:
            return ()
        rows = self._direct.rows(_OF_SERIAL, (serial, clamp(limit)))
        return tuple(_trace(row) for row in rows)

    def page(self, cursor: str | None = None, limit: int = 100) -> Page[Trace]:
        """All runs, newest first."""
        size = clamp(limit)
        rows = self._direct.rows(_PAGE, (*_after(cursor), size + 1))
        found = tuple(_trace(row) for row in rows[:size])
        return Page(found, _next(rows, size, lambda row: (row[6], row[0])))

    def sighting(self, guid: bytes) -> Sighting | None:
        """How often that GUID was asked for in vain; None if never."""
        row = self._direct.one(_SIGHTING, (guid,))
        return None if row is None else Sighting(*row)

    def sightings(self, cursor: str | None = None, limit: int = 100) -> Page[Sighting]:
        """GUIDs that were asked for in vain, the last first."""
        size = clamp(limit)
        rows = self._direct.rows(_SIGHTINGS, (*_after(cursor), size + 1))
        found = tuple(Sighting(*row) for row in rows[:size])
        return Page(found, _next(rows, size, lambda row: (row[4], row[0])))

    def forget(self, before: int) -> int:
        """Drop what was last heard of before that time; return how many rows."""
        with self._direct.transaction() as connection:
            return sum(connection.count(one, (before,)) for one in _BEFORE)

    def prune(self, before: int, per_device: int, in_all: int) -> int:
        """Drop what is too old or too much; return how many rows that were.

        Args:
            before: What was last heard of earlier goes.
            per_device: Runs of each protocol that are kept of each GUID.
            in_all: Runs that are kept of all.
        """
        with self._direct.transaction() as connection:
            old = sum(connection.count(one, (before,)) for one in _BEFORE)
            return old + _shrink(connection, per_device, in_all)


def _after(cursor: str | None) -> tuple[int, int, bytes]:
    """What the rows of a page come after. Raises InvalidCursor."""
    if cursor is None:
        return _ALL * _ALL, 0, b""
    at, name = time_cursor(cursor)
    return at, at, bytes_cursor(name)


def _next(
    rows: Sequence[Row], size: int, place: Callable[[Row], tuple[int, bytes]]
) -> str | None:
    if len(rows) <= size:
        return None
    at, name = place(rows[size - 1])
    return f"{at}:{name.hex()}"


def _shrink(connection: Connection, per_device: int, in_all: int) -> int:
    gone = connection.count(_PER_DEVICE, (per_device,))
    gone += connection.count(_IN_ALL, (_ALL, in_all))
    return gone + connection.count(_SIGHTINGS_IN_ALL, (_ALL, SIGHTINGS_KEPT))


def _values(one: Trace) -> Sequence[Value]:
    return (
        one.run,
        one.version,
        one.protocol,
        one.guid,
        one.serial,
        one.started,
        one.updated,
        one.messages,
        one.passed,
        one.refused,
        one.code,
        one.error,
        int(one.by_peer),
        int(one.proven),
        int(one.done),
        one.steps,
    )


def _trace(row: Row) -> Trace:
    values = [*row]
    values[12:15] = map(bool, values[12:15])  # by_peer, proven, done
    return Trace(*values)
