"""Releases: what was let out to a device, and what became of it."""

from dataclasses import dataclass
from enum import StrEnum, unique

from sqlmodel import Session, col, select

from onboarding.store.database import Database, Writing
from onboarding.store.device_rows import lock
from onboarding.store.errors import Conflict, NotFound
from onboarding.store.events import Event
from onboarding.store.gate_tables import ReleaseRow
from onboarding.store.pages import clamp
from onboarding.store.state import Removal


@unique
class ReleaseState(StrEnum):
    """Ticket minted; applied; told to remove; replaced by a newer one."""

    GRANTED = "granted"
    RELEASED = "released"
    WITHDRAWN = "withdrawn"
    SUPERSEDED = "superseded"


_LIVE = (ReleaseState.GRANTED.value, ReleaseState.RELEASED.value)


@dataclass(frozen=True, slots=True)
class ReleaseRecord:
    """One ticket and the workload it let out; digests SHA-256.

    ``removal`` is None until it is known how a withdrawal ended.
    """

    decision_id: str
    guid: bytes
    manifest_digest: bytes
    ticket_digest: bytes
    granted_at: int
    state: ReleaseState = ReleaseState.GRANTED
    released_at: int | None = None
    withdrawn_at: int | None = None
    cause: str | None = None
    removal: Removal | None = None


class ReleaseStore:
    """Releases by their decision; changes carry over to the device's state."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def grant(self, record: ReleaseRecord, actor: str) -> None:
        """A ticket was minted: the device may have the workload from now on.

        Raises:
            NotFound: There is no such device.
            Conflict: That decision has a release already.
        """
        with self._database.transaction() as writing:
            lock(writing, record.guid)
            writing.session.add(
                ReleaseRow(
                    decision_id=record.decision_id,
                    guid=record.guid,
                    manifest_digest=record.manifest_digest,
                    ticket_digest=record.ticket_digest,
                    state=ReleaseState.GRANTED.value,
                    granted_at=record.granted_at,
                )
            )
            digest, at = record.ticket_digest, record.granted_at
            writing.log(_event("granted", record, actor, at, digest))

    def applied(
        self, decision_id: str, report_digest: bytes, actor: str, at: int
    ) -> None:
        """The device reports that it runs the workload.

        Raises:
            NotFound: There is no such release.
            Conflict: It was withdrawn or superseded meanwhile.
        """
        with self._database.transaction() as writing:
            found = self.get(decision_id)
            device = lock(writing, found.guid)
            row = _fresh(writing, decision_id)
            if row.state not in _LIVE:
                raise Conflict(f"release {decision_id} is {row.state}")
            for other in _live(writing.session, found.guid):
                other.state = ReleaseState.SUPERSEDED.value
            row.state, row.released_at = ReleaseState.RELEASED.value, at
            device.released_at, device.withdrawn_at = at, None
            device.removal = None
            writing.log(_event("applied", found, actor, at, report_digest))

    def withdraw(
        self, guid: bytes, cause: str, actor: str, at: int
    ) -> tuple[ReleaseRecord, ...]:
        """Take back whatever the device was let have; return what that was.

        Granted tickets are taken back as well: the workload may be running
        though no report came. Without a live release nothing changes.

        Raises:
            NotFound: There is no such device.
        """
        with self._database.transaction() as writing:
            device = lock(writing, guid)
            rows = _live(writing.session, guid)
            if not rows:
                return ()
            for row in rows:
                row.state, row.withdrawn_at = ReleaseState.WITHDRAWN.value, at
                row.cause = cause
            device.withdrawn_at, device.removal = at, None
            device.released_at = None
            taken = tuple(_record(row) for row in rows)
            detail = {"cause": cause, "releases": [r.decision_id for r in taken]}
            writing.log(Event("release.withdrawn", actor, at, guid, None, detail))
            return taken

    def removed(
        self,
        guid: bytes,
        removal: Removal,
        report_digest: bytes | None,
        actor: str,
        at: int,
    ) -> None:
        """Say how the withdrawal ended; what is proven stays so.

        Raises:
            NotFound: There is no such device.
            Conflict: Nothing was withdrawn from it.
        """
        with self._database.transaction() as writing:
            device = lock(writing, guid)
            if device.withdrawn_at is None:
                raise Conflict(f"nothing was withdrawn from device {guid.hex()}")
            if device.removal in (Removal.PROVEN.value, removal.value):
                return
            device.removal = removal.value
            for row in _withdrawn(writing.session, guid, device.withdrawn_at):
                row.removal = removal.value
            detail = {"removal": removal.value}
            event = Event("release.removal", actor, at, guid, report_digest, detail)
            writing.log(event)

    def get(self, decision_id: str) -> ReleaseRecord:
        """Raises NotFound when that decision has no release."""
        with self._database.session() as session:
            row = session.get(ReleaseRow, decision_id)
            if row is None:
                raise NotFound(f"there is no release of decision {decision_id}")
            return _record(row)

    def live(self, guid: bytes) -> tuple[ReleaseRecord, ...]:
        """What the device may have or run just now."""
        with self._database.session() as session:
            return tuple(_record(row) for row in _live(session, guid))

    def of_device(self, guid: bytes, limit: int = 100) -> tuple[ReleaseRecord, ...]:
        """The newest releases to a device, newest first."""
        query = select(ReleaseRow).where(ReleaseRow.guid == guid)
        query = query.order_by(col(ReleaseRow.granted_at).desc()).limit(clamp(limit))
        with self._database.session() as session:
            return tuple(_record(row) for row in session.exec(query))


def _fresh(writing: Writing, decision_id: str) -> ReleaseRow:
    row = writing.session.get(ReleaseRow, decision_id, with_for_update=True)
    if row is None:
        raise NotFound(f"there is no release of decision {decision_id}")
    return row


def _live(session: Session, guid: bytes) -> list[ReleaseRow]:
    query = select(ReleaseRow).where(
        ReleaseRow.guid == guid, col(ReleaseRow.state).in_(_LIVE)
    )
    return list(session.exec(query.order_by(col(ReleaseRow.granted_at))))


def _withdrawn(session: Session, guid: bytes, at: int) -> list[ReleaseRow]:
    query = select(ReleaseRow).where(
        ReleaseRow.guid == guid, ReleaseRow.withdrawn_at == at
    )
    return list(session.exec(query))


def _event(
    what: str, record: ReleaseRecord, actor: str, at: int, evidence: bytes
) -> Event:
    detail = {
        "decision": record.decision_id,
        "manifest": record.manifest_digest.hex(),
    }
    return Event(f"release.{what}", actor, at, record.guid, evidence, detail)


def _record(row: ReleaseRow) -> ReleaseRecord:
    return ReleaseRecord(
        row.decision_id,
        row.guid,
        row.manifest_digest,
        row.ticket_digest,
        row.granted_at,
        ReleaseState(row.state),
        row.released_at,
        row.withdrawn_at,
        row.cause,
        Removal(row.removal) if row.removal is not None else None,
    )
