"""Every row of a database, out in one snapshot, and back into an empty one.

Tables are read as they are, not through today's models, so that what an older version
wrote can be restored first and migrated then, into a database of either kind.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import cbor2
from sqlalchemy import Connection, MetaData, Table, insert, inspect, select

from onboarding.store import runs_schema, schema
from onboarding.store.errors import Conflict, InvalidRecord

BATCH = 500
# Alembic's own, what is worth nothing elsewhere (tokens, and runs under way), devices'
# logs, which they send again, and words that triggers write.
LOGS = frozenset({"ima_lists", "ima_parts", "boot_logs"})
_OURS = {"alembic_version", "device_words", "server_keys", "sessions"}
LEFT_OUT = LOGS | runs_schema.NAMES | _OURS

Row = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Shape:
    """One table: its name, and its columns in the order of each row."""

    name: str
    columns: tuple[str, ...]


class Tables:
    """The tables of one connection's database, as they are there.

    Looked at once: how a database looks is costly to ask for.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._metadata = MetaData()
        self._metadata.reflect(connection, only=lambda name, _: name not in LEFT_OUT)

    def shapes(self) -> tuple[Shape, ...]:
        """The tables to be kept, each after those it refers to."""
        return tuple(
            Shape(table.name, tuple(column.name for column in table.columns))
            for table in self._metadata.sorted_tables
        )

    def rows_of(self, shape: Shape) -> Iterator[bytes]:
        """Yield each row of a table as one CBOR array."""
        asked = select(self._table(shape)).execution_options(yield_per=BATCH)
        for row in self._connection.execute(asked):
            yield cbor2.dumps([*row])

    def fill(self, shape: Shape, rows: Iterable[Row]) -> int:
        """Insert the rows of one table; what a new database begins with goes first.

        Raises:
            InvalidRecord: This version has no such table, or other columns in it.
        """
        table = self._table(shape)
        self._connection.execute(table.delete())
        count = 0
        for batch in _batches(rows):
            named = [dict(zip(shape.columns, row, strict=True)) for row in batch]
            self._connection.execute(insert(table), named)
            count += len(batch)
        return count

    def _table(self, shape: Shape) -> Table:
        table = self._metadata.tables.get(shape.name)
        if table is None:
            raise InvalidRecord(f"there is no table {shape.name} in that version")
        if {one.name for one in table.columns} != set(shape.columns):
            raise InvalidRecord(f"table {shape.name} has other columns")
        return table


def read_row(data: bytes, shape: Shape) -> Row:
    """Read back what ``rows_of`` wrote.

    Raises:
        InvalidRecord: Not a row of that table.
    """
    try:
        row = cbor2.loads(data)
    except (ValueError, EOFError) as error:
        raise InvalidRecord(f"a row of {shape.name} cannot be read") from error
    plain = bytes | int | str | float | None
    fits = isinstance(row, list) and len(row) == len(shape.columns)
    if not fits or not all(isinstance(one, plain) for one in row):
        raise InvalidRecord(f"a row of {shape.name} is none")
    return tuple(row)


def prepare(connection: Connection, revision: str) -> Tables:
    """Make the tables of a version in an empty database.

    Raises:
        Conflict: It is not empty.
        StoreUnavailable: No version of ours had that revision.
    """
    present = set(inspect(connection).get_table_names())
    if present:
        raise Conflict(f"the database is not empty: it has {sorted(present)[0]}")
    schema.upgrade(connection, revision)
    return Tables(connection)


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    waiting = iter(rows)
    while batch := list(islice(waiting, BATCH)):
        yield batch
