"""Reading the audit log, and proving that nobody rewrote it."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, not_, or_
from sqlmodel import col, select
from sqlmodel.sql.expression import SelectOfScalar

from onboarding.store.database import Database
from onboarding.store.device_filter import Labels, of_labelled
from onboarding.store.device_rows import guids_of
from onboarding.store.direct import Sql
from onboarding.store.errors import ChainBroken
from onboarding.store.events import GENESIS, Event, LoggedEvent, append
from onboarding.store.pages import Page, clamp, number_cursor
from onboarding.store.tables import EventHeadRow, EventRow

_BATCH = 1000
# What devices cause again and again, by how the causes begin.
_ROUTINE = (
    "appraisal.",
    "decision.",
    "ownership.refused",
    "binding.absent",
    "device.registered",
)
_HEAD = Sql("SELECT seq FROM event_head WHERE id = 1")


@dataclass(frozen=True, slots=True)
class ChainHead:
    """Where the log ends: keep it elsewhere, and a cut tail shows too."""

    seq: int
    digest: bytes


START = ChainHead(0, GENESIS)
"""Before the first event."""


class EventLog:
    """The audit log: append, read, verify; nothing else changes it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def append(self, *events: Event) -> None:
        """Log, in one commit, what changed no row of ours, such as refusals."""
        with self._database.direct.transaction() as connection:
            append(connection, *events)

    def page(
        self,
        cursor: str | None = None,
        limit: int = 100,
        cause: str | None = None,
        within: Labels = (),
        guid: bytes | None = None,
    ) -> Page[LoggedEvent]:
        """The newest events first; ``cause`` may be a prefix such as ``release``.

        With ``within`` only those of devices that have all these labels, with ``guid``
        those of one device, under all the GUIDs it ever had.
        """
        size = clamp(limit)
        query = select(EventRow).order_by(col(EventRow.seq).desc()).limit(size + 1)
        query = query.where(*of_labelled(col(EventRow.guid), within))
        if guid is not None:
            query = query.where(_of_device(guid))
        if cursor is not None:
            query = query.where(col(EventRow.seq) < number_cursor(cursor))
        if cause is not None:
            query = query.where(col(EventRow.cause).startswith(cause, autoescape=True))
        with self._database.session() as session:
            found = tuple(_logged(row) for row in session.exec(query))
        more = len(found) > size
        return Page(found[:size], str(found[size - 1].seq) if more else None)

    def timeline(self, guid: bytes, limit: int = 500) -> tuple[LoggedEvent, ...]:
        """Up to ``limit`` newest events of a device, oldest first, under all
        the GUIDs it ever had."""
        return self.page(limit=limit, guid=guid).items[::-1]

    def story(self, guid: bytes, limit: int) -> tuple[LoggedEvent, ...]:
        """Up to ``limit`` events of a device, oldest first, room kept for what matters.

        Half of them at most are of what comes again and again: a device that fails
        every minute does not push out who took it, what bound it, what was taken back.
        """
        newest = select(EventRow).where(_of_device(guid))
        newest = newest.order_by(col(EventRow.seq).desc())
        routine = or_(*(col(EventRow.cause).startswith(one) for one in _ROUTINE))
        with self._database.session() as session:
            rows = [*session.exec(newest.where(not_(routine)).limit(limit))]
            left = max(limit // 2, limit - len(rows))
            often = [*session.exec(newest.where(routine).limit(left))]
            rows = rows[: limit - len(often)] + often
            return tuple(_logged(row) for row in sorted(rows, key=lambda one: one.seq))

    def head(self) -> int:
        """The number of the newest event; 0 before the first."""
        row = self._database.direct.one(_HEAD)
        return 0 if row is None else int(row[0])

    def after(
        self, seq: int, limit: int = _BATCH, within: Labels = ()
    ) -> tuple[LoggedEvent, ...]:
        """Up to ``limit`` events after that one, oldest first; ``within`` as above."""
        query = _after(seq, self.head(), min(limit, _BATCH))
        query = query.where(*of_labelled(col(EventRow.guid), within))
        with self._database.session() as session:
            return tuple(_logged(row) for row in session.exec(query))

    def digest_of(self, seq: int) -> bytes | None:
        """The digest of one event, as it is stored; None when it is not there."""
        with self._database.session() as session:
            row = session.get(EventRow, seq)
            return None if row is None else row.digest

    def verify_chain(self, after: ChainHead = START) -> ChainHead:
        """Recompute every digest from the event after ``after`` to the head.

        Raises:
            ChainBroken: Names the first event that does not fit.
        """
        seq, digest = after.seq, after.digest
        with self._database.session() as session:
            head = session.get(EventHeadRow, 1)
            if head is None:
                raise ChainBroken("the audit log has no head")
            end = ChainHead(head.seq, head.digest)
            while seq < end.seq:
                rows = session.exec(_after(seq, end.seq)).all()
                if not rows:
                    raise ChainBroken(f"event {seq + 1} is missing")
                for row in rows:
                    seq, digest = _next(_logged(row), seq, digest)
        if digest != end.digest:
            raise ChainBroken(f"event {seq} is not the one the log ended with")
        return end


def _after(seq: int, end: int, limit: int = _BATCH) -> SelectOfScalar[EventRow]:
    return (
        select(EventRow)
        .where(col(EventRow.seq) > seq, col(EventRow.seq) <= end)
        .order_by(col(EventRow.seq))
        .limit(limit)
    )


def _next(event: LoggedEvent, seq: int, digest: bytes) -> tuple[int, bytes]:
    if event.seq != seq + 1:
        raise ChainBroken(f"event {seq + 1} is missing")
    if event.previous != digest or event.computed_digest() != event.digest:
        raise ChainBroken(f"event {event.seq} was altered")
    return event.seq, event.digest


def _of_device(guid: bytes) -> ColumnElement[bool]:
    """Events under any GUID that the device of ``guid`` ever had."""
    return or_(col(EventRow.guid) == guid, col(EventRow.guid).in_(guids_of(guid)))


def _logged(row: EventRow) -> LoggedEvent:
    return LoggedEvent(
        row.seq,
        row.guid,
        row.cause,
        row.actor,
        row.at,
        row.evidence_digest,
        row.detail,
        row.previous,
        row.digest,
    )
