"""The IMA list of each device, whole, in compressed parts that are only added to.

A copy of what the device has: whatever is lost here, it sends again. A list that does
not go on with the last one begins a new generation beside it; the older one goes once a
quote covers the new one.
"""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from onboarding.store.database import Database
from onboarding.store.device_names import by_guid
from onboarding.store.direct import Connection, Row, Sql
from onboarding.store.errors import Conflict, InvalidRecord, NotFound

MAX_PART = 1024 * 1024  # bytes of lines in one part
_FOLD = 64 * 1024  # a part is written anew, with more behind it, up to this size
_LEVEL = 1  # digests do not get smaller by trying harder

_NAMES = "generation, bank, entries, size, value, padded, extends, covered, resets, at"
_GET = Sql(
    f"SELECT d.guid, {_NAMES} FROM devices d "  # noqa: S608 - our own names
    "JOIN ima_lists l ON l.device = d.device WHERE d.guid = ?"
)
_GET_LOCKED = Sql(_GET.sqlite, " FOR UPDATE OF l")
_ADD = by_guid(
    f"INSERT INTO ima_lists (device, {_NAMES}) "  # noqa: S608 - our own names
    "VALUES (@device, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_SET = by_guid(
    "UPDATE ima_lists SET generation = ?, bank = ?, entries = ?, size = ?, value = ?, "
    "padded = ?, extends = ?, covered = ?, resets = ?, at = ? WHERE device = @device"
)
_PARTS = by_guid(
    "SELECT size, body FROM ima_parts "
    "WHERE device = @device AND generation = ? ORDER BY first"
)
_OLDER = by_guid(
    "SELECT MAX(generation) FROM ima_parts WHERE device = @device AND generation < ?"
)
_LAST = by_guid(
    "SELECT first, size, body FROM ima_parts "
    "WHERE device = @device AND generation = ? "
    "ORDER BY first DESC LIMIT 1"
)
_ADD_PART = by_guid(
    "INSERT INTO ima_parts (device, generation, first, size, body) "
    "VALUES (@device, ?, ?, ?, ?)"
)
_SET_PART = by_guid(
    "UPDATE ima_parts SET size = ?, body = ? "
    "WHERE device = @device AND generation = ? AND first = ?"
)
_FORGET = (
    by_guid("DELETE FROM ima_parts WHERE device = @device"),
    by_guid("DELETE FROM ima_lists WHERE device = @device"),
)
_DROP_OLDER = by_guid("DELETE FROM ima_parts WHERE device = @device AND generation < ?")
_DROP_PARTS = by_guid("DELETE FROM ima_parts WHERE device = @device AND generation = ?")
_PRUNE = (
    Sql(
        "DELETE FROM ima_parts "
        "WHERE device IN (SELECT device FROM ima_lists WHERE at < ?)"
    ),
    Sql("DELETE FROM ima_lists WHERE at < ?"),
)


@dataclass(frozen=True, slots=True)
class ListHead:
    """How far a device's list goes; ``size`` in bytes, ``at`` its last change.

    ``value``, ``padded`` and ``extends`` are those of `hw.ima_replay.ImaState`, with ""
    for a way that is not known. ``covered`` entries were in a PCR that was quoted,
    after ``resets`` resets of the TPM; the others came ahead of a quote.
    """

    guid: bytes
    generation: int
    bank: str
    entries: int
    size: int
    value: bytes = field(repr=False)
    padded: bytes = field(repr=False)
    extends: str
    covered: int
    resets: int
    at: int


class ImaListStore:
    """Lists by device; safe with any number of replicas."""

    def __init__(self, database: Database) -> None:
        self._direct = database.direct

    def get(self, guid: bytes) -> ListHead:
        """Raises NotFound when there is no list of that device."""
        row = self._direct.one(_GET, (guid,))
        if row is None:
            raise NotFound(f"no IMA list of device {guid.hex()} is kept")
        return _head(row)

    def lines(self, head: ListHead) -> bytes:
        """All that is kept of a list."""
        return _joined(self._direct.rows(_PARTS, (head.guid, head.generation)))

    def older(self, head: ListHead) -> bytes:
        """The list that a quote covered before this one began; "" if there is none."""
        row = self._direct.one(_OLDER, (head.guid, head.generation))
        if row is None or row[0] is None:
            return b""
        return self.lines(replace(head, generation=row[0]))

    def put(self, before: ListHead | None, head: ListHead, lines: bytes) -> None:
        """Go on from ``before`` to ``head`` by ``lines``, or begin a generation.

        Raises:
            Conflict: The list is not as in ``before`` (any more).
            InvalidRecord: Not a step from there to here.
        """
        _check(before, head, lines)
        with self._direct.transaction() as connection:
            found = connection.rows(_GET_LOCKED, (head.guid,))
            if (_head(found[0]) if found else None) != before:
                raise Conflict("the device's IMA list was changed meanwhile")
            _write(connection, before, head)
            if lines:
                _add(connection, before, head, lines)
            if head.covered and head.covered == head.entries:
                connection.count(_DROP_OLDER, (head.guid, head.generation))

    def prune(self, before: int) -> int:
        """Forget the lists that did not change since; say how many."""
        with self._direct.transaction() as connection:
            counts = [connection.count(one, (before,)) for one in _PRUNE]
        return counts[-1]


def forget(connection: Connection, guid: bytes) -> None:
    """Drop a device's list, in the open transaction: another TPM has another."""
    for one in _FORGET:
        connection.count(one, (guid,))


def _check(before: ListHead | None, head: ListHead, lines: bytes) -> None:
    goes_on = before is not None and before.generation == head.generation
    size = before.size if before is not None and goes_on else 0
    if head.size != size + len(lines) or not 0 <= head.covered <= head.entries:
        raise InvalidRecord("an IMA list grows by the lines that are added to it")


def _write(connection: Connection, before: ListHead | None, head: ListHead) -> None:
    values = (
        head.generation,
        head.bank,
        head.entries,
        head.size,
        head.value,
        head.padded,
        head.extends,
        head.covered,
        head.resets,
        head.at,
    )
    if before is None:
        connection.count(_ADD, (head.guid, *values))
        return
    connection.count(_SET, (*values, head.guid))
    if before.generation != head.generation:
        # Of what no quote ever covered nothing can be said later.
        old = _DROP_OLDER if before.covered else _DROP_PARTS
        connection.count(old, (head.guid, before.generation))


def _add(
    connection: Connection, before: ListHead | None, head: ListHead, lines: bytes
) -> None:
    last = connection.rows(_LAST, (head.guid, head.generation))
    if last and last[0][1] + len(lines) <= _FOLD:
        first, size, body = last[0]
        whole = _unpacked(size, body) + lines
        packed = zlib.compress(whole, _LEVEL)
        named = (head.guid, head.generation, first)
        connection.count(_SET_PART, (len(whole), packed, *named))
        return
    goes_on = before is not None and before.generation == head.generation
    first = before.entries if before is not None and goes_on else 0
    for part in _cut(lines):
        named = head.guid, head.generation, first
        connection.count(_ADD_PART, (*named, len(part), zlib.compress(part, _LEVEL)))
        first += part.count(b"\n")


def _cut(lines: bytes) -> Iterator[bytes]:
    """Whole lines, up to MAX_PART bytes of them at a time; one line may have more."""
    begin = 0
    while begin < len(lines):
        end = begin + MAX_PART
        if end < len(lines):
            end = lines.rfind(b"\n", begin, end) + 1 or lines.find(b"\n", end) + 1
        yield lines[begin : end or len(lines)]
        begin = end or len(lines)


def _head(row: Row) -> ListHead:
    guid, generation, bank, entries, size, value, padded, *rest = row
    kept = bytes(guid), generation, bank, entries, size, bytes(value), bytes(padded)
    return ListHead(*kept, *rest)


def _joined(rows: Sequence[Row]) -> bytes:
    return b"".join(_unpacked(size, body) for size, body in rows)


def _unpacked(size: int, body: bytes) -> bytes:
    return zlib.decompress(bytes(body), bufsize=size + 1)
