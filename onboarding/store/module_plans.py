"""ServiceInfo plans: named, versioned, and never changed once stored."""

from dataclasses import dataclass, field

from sqlmodel import Session, col, func, select

from onboarding.store.database import Database
from onboarding.store.errors import Conflict, InvalidRecord, NotFound
from onboarding.store.events import Event
from onboarding.store.pages import clamp
from onboarding.store.plan_tables import PlanRow

MAX_BODY = 256 * 1024


@dataclass(frozen=True, slots=True)
class PlanRecord:
    """One version; ``body`` is the document, ``digest`` its SHA-256."""

    name: str
    version: int
    digest: bytes
    body: bytes = field(repr=False)
    created_at: int
    created_by: str


class ModulePlanStore:
    """Plans by name and version, counted from 1 without a gap."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, record: PlanRecord) -> bool:
        """Store the next version; False when that very version was stored before.

        Raises:
            Conflict: The version is another one's, or is not the next.
            InvalidRecord: No name, or a document of no bytes or over 256 KiB.
        """
        if not record.name or not 0 < len(record.body) <= MAX_BODY:
            raise InvalidRecord("a plan needs a name and 1 byte to 256 KiB")
        with self._database.transaction() as writing:
            newest = _newest(writing.session, record.name)
            last = 0 if newest is None else newest.version
            if record.version <= last:
                return _repeats(writing.session, record)
            if record.version != last + 1:
                raise Conflict(f"the next version of plan {record.name} is {last + 1}")
            writing.session.add(
                PlanRow(
                    name=record.name,
                    version=record.version,
                    digest=record.digest,
                    body=record.body,
                    created_at=record.created_at,
                    created_by=record.created_by,
                )
            )
            detail = {"name": record.name, "version": record.version}
            by, at = record.created_by, record.created_at
            writing.log(
                Event("module_plan.stored", by, at, None, record.digest, detail)
            )
        return True

    def get(self, name: str, version: int | None = None) -> PlanRecord:
        """One version, or the newest. Raises NotFound."""
        with self._database.session() as session:
            found = _newest(session, name)
            if version is not None:
                found = session.get(PlanRow, (name, version))
            if found is None:
                raise NotFound(f"there is no plan {name}@{version or 'any'}")
            return _record(found)

    def versions(self, name: str) -> tuple[int, ...]:
        """The newest 100 versions of one plan, newest first."""
        query = select(PlanRow.version).where(PlanRow.name == name)
        query = query.order_by(col(PlanRow.version).desc()).limit(100)
        with self._database.session() as session:
            return tuple(session.exec(query))

    def newest(self, limit: int = 500) -> tuple[PlanRecord, ...]:
        """Each plan in its newest version, by name."""
        last = select(PlanRow.name, func.max(PlanRow.version)).group_by(PlanRow.name)
        with self._database.session() as session:
            keys = session.exec(last.order_by(PlanRow.name).limit(clamp(limit))).all()
            rows = (session.get(PlanRow, tuple(key)) for key in keys)
            return tuple(_record(row) for row in rows if row is not None)


def _newest(session: Session, name: str) -> PlanRow | None:
    query = select(PlanRow).where(PlanRow.name == name)
    return session.exec(query.order_by(col(PlanRow.version).desc()).limit(1)).first()


def _repeats(session: Session, record: PlanRecord) -> bool:
    row = session.get(PlanRow, (record.name, record.version))
    if row is None or row.body != record.body:
        raise Conflict(f"plan {record.name}@{record.version} is a different one")
    return False


def _record(row: PlanRow) -> PlanRecord:
    return PlanRecord(
        row.name, row.version, row.digest, row.body, row.created_at, row.created_by
    )
