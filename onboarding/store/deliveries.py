"""Receipts: what each run of TO2 delivered to a device, or failed to.

Those of a device's last good run lie in its own row, where the end of TO2 writes
anyway; when the next run ends well they are laid aside here, beside the failed ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlmodel import Session, col, delete, select, tuple_

from onboarding.store.database import Database
from onboarding.store.device_rows import find, guids_of
from onboarding.store.direct import Connection, Sql
from onboarding.store.errors import NotFound
from onboarding.store.events import Event, append
from onboarding.store.pages import Page, bytes_cursor, clamp, time_cursor
from onboarding.store.plan_tables import DeliveryRow, UploadRow

KEPT_FAILURES = 20  # of one GUID

_INSERT = Sql(
    "INSERT INTO deliveries (run, guid, at, completed, receipts) "
    "VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)
_LAY_ASIDE = Sql(
    "INSERT INTO deliveries (run, guid, at, completed, receipts) "
    "SELECT last_run, guid, owned_at, 1, module_results FROM devices "
    "WHERE guid = ? AND last_run IS NOT NULL AND module_results IS NOT NULL "
    "AND owned_at IS NOT NULL ON CONFLICT DO NOTHING"
)
_UPLOAD = Sql(
    "INSERT INTO uploads (run, position, guid, at, content) "
    "VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)
_FORGET = Sql(
    "DELETE FROM deliveries WHERE guid = ? AND completed = 0 AND run NOT IN "
    "(SELECT run FROM deliveries WHERE guid = ? AND completed = 0 "
    "ORDER BY at DESC, run LIMIT 20)"
)
_FORGET_UPLOADS = Sql(
    "DELETE FROM uploads WHERE guid = ? AND run NOT IN "
    "(SELECT run FROM deliveries WHERE guid = ?) AND run NOT IN "
    "(SELECT last_run FROM devices WHERE guid = ? AND last_run IS NOT NULL)"
)


@dataclass(frozen=True, slots=True)
class DeliveryRecord:
    """One run; ``receipts`` is CBOR. ``completed``: the device was taken over."""

    run: bytes
    guid: bytes
    at: int
    completed: bool
    receipts: bytes = field(repr=False)


class DeliveryStore:
    """Runs by device, whatever GUID it had then."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def failed(
        self,
        record: DeliveryRecord,
        contents: Mapping[int, bytes],
        events: tuple[Event, ...],
    ) -> None:
        """Keep what a run brought that did not end well, and log why.

        The newest 20 of a GUID are kept.
        """
        with self._database.direct.transaction() as connection:
            values = (record.run, record.guid, record.at, 0, record.receipts)
            connection.count(_INSERT, values)
            upload(connection, record.run, record.guid, record.at, contents)
            connection.count(_FORGET, (record.guid, record.guid))
            guid = record.guid
            connection.count(_FORGET_UPLOADS, (guid, guid, guid))
            append(connection, *events)

    def of_device(
        self, guid: bytes, cursor: str | None = None, limit: int = 50
    ) -> Page[DeliveryRecord]:
        """The newest runs first.

        Raises:
            NotFound: There is no such device.
            InvalidCursor: The cursor is not one of ours.
        """
        size, run = clamp(limit), col(DeliveryRow.run)
        number = col(DeliveryRow.at) * 2 + col(DeliveryRow.completed)
        query = select(DeliveryRow).where(col(DeliveryRow.guid).in_(guids_of(guid)))
        before = _place(cursor)
        if before is not None:
            query = query.where(tuple_(number, run) < tuple_(*before))
        query = query.order_by(number.desc(), run.desc()).limit(size + 1)
        with self._database.session() as session:
            found = [_record(row) for row in session.exec(query)]
            last = _last(session, guid)
        if last is not None and (before is None or _order(last) < before):
            found.append(last)
        found.sort(key=_order, reverse=True)
        end = found[size - 1] if len(found) > size else None
        return Page(tuple(found[:size]), None if end is None else _mark(end))

    def content(self, guid: bytes, run: bytes, position: int) -> bytes:
        """A file that the device gave in that run. Raises NotFound."""
        query = select(UploadRow.content).where(
            UploadRow.run == run,
            UploadRow.position == position,
            col(UploadRow.guid).in_(guids_of(guid)),
        )
        with self._database.session() as session:
            content = session.exec(query).first()
        if content is None:
            raise NotFound("the device gave no file there")
        return content

    def prune(self, before: int) -> int:
        """Forget runs and files of before then, but each device's last good run."""
        old = delete(DeliveryRow).where(col(DeliveryRow.at) < before)
        last = "SELECT last_run FROM devices WHERE last_run IS NOT NULL"
        gone = Sql(f"DELETE FROM uploads WHERE at < ? AND run NOT IN ({last})")  # noqa: S608 - our own words
        with self._database.transaction() as writing:
            count = int(writing.session.exec(old).rowcount)
            writing.direct.count(gone, (before,))
            return count


def lay_aside(connection: Connection, guid: bytes) -> None:
    """Keep the receipts in the device's row before others take their place."""
    connection.count(_LAY_ASIDE, (guid,))


def upload(
    connection: Connection,
    run: bytes,
    guid: bytes,
    at: int,
    contents: Mapping[int, bytes],
) -> None:
    """Keep files by their place in the run's plan."""
    for position, content in contents.items():
        connection.count(_UPLOAD, (run, position, guid, at, content))


def _order(one: DeliveryRecord) -> tuple[int, bytes]:
    """What runs are sorted by: in one second the good one, which ends a device's
    tries, comes last; no two have the same.
    """
    return one.at * 2 + one.completed, one.run


def _mark(one: DeliveryRecord) -> str:
    number, run = _order(one)
    return f"{number}:{run.hex()}"


def _place(cursor: str | None) -> tuple[int, bytes] | None:
    """Where the page before ended. Raises InvalidCursor."""
    if cursor is None:
        return None
    number, run = time_cursor(cursor)
    return number, bytes_cursor(run)


def _last(session: Session, guid: bytes) -> DeliveryRecord | None:
    row = find(session, guid)
    if row.last_run is None or row.module_results is None or row.owned_at is None:
        return None
    return DeliveryRecord(
        row.last_run, row.guid, row.owned_at, True, row.module_results
    )


def _record(row: DeliveryRow) -> DeliveryRecord:
    return DeliveryRecord(row.run, row.guid, row.at, bool(row.completed), row.receipts)
