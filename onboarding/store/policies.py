"""Policies: named, versioned, and never changed once stored."""

from dataclasses import dataclass, field
from enum import StrEnum, unique

from sqlmodel import Session, col, select

from onboarding.store.database import Database
from onboarding.store.direct import Sql
from onboarding.store.errors import Conflict, InvalidRecord, NotFound
from onboarding.store.events import Event
from onboarding.store.gate_tables import PolicyRow
from onboarding.store.pages import clamp

_LIMIT = 1024 * 1024
_SHORT, _KEPT = 16 * 1024, 128  # bytes of a document, and how many of them
_COLUMNS = "name, version, kind, digest, body, created_at, created_by"
_GET = Sql(f"SELECT {_COLUMNS} FROM policies WHERE name = ? AND version = ?")  # noqa: S608
_NEWEST = Sql(
    f"SELECT {_COLUMNS} FROM policies WHERE name = ? "  # noqa: S608 - our own names
    "ORDER BY version DESC LIMIT 1"
)


@unique
class PolicyKind(StrEnum):
    """What is judged by it: evidence, or a release."""

    ATTESTATION = "attestation"
    RELEASE = "release"


@dataclass(frozen=True, slots=True)
class PolicyRecord:
    """One version; ``body`` is the document as given, ``digest`` its name."""

    name: str
    version: int
    kind: PolicyKind
    digest: bytes
    body: bytes = field(repr=False)
    created_at: int
    created_by: str


class PolicyStore:
    """Policies by name and version, counted from 1 without a gap.

    A version stays what it is, so a short one is read once: each attestation asks.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._read: dict[tuple[str, int], PolicyRecord] = {}

    def add(self, record: PolicyRecord) -> bool:
        """Store the next version; False when that very version was stored before.

        Raises:
            Conflict: The version is another one's, is not the next, or the name
                stands for a policy of the other kind.
            InvalidRecord: The document is empty or over 1 MiB.
        """
        if not record.name or not 0 < len(record.body) <= _LIMIT:
            raise InvalidRecord("a policy needs a name and 1 byte to 1 MiB")
        with self._database.transaction() as writing:
            last = _newest(writing.session, record.name)
            if last is not None and record.version <= last.version:
                return _repeats(writing.session, record)
            _check_follows(record, last)
            writing.session.add(
                PolicyRow(
                    name=record.name,
                    version=record.version,
                    kind=record.kind.value,
                    digest=record.digest,
                    body=record.body,
                    created_at=record.created_at,
                    created_by=record.created_by,
                )
            )
            detail = {"name": record.name, "version": record.version}
            by, at = record.created_by, record.created_at
            writing.log(Event("policy.stored", by, at, None, record.digest, detail))
        return True

    def get(self, name: str, version: int | None = None) -> PolicyRecord:
        """One version, or the newest.

        Raises:
            NotFound: There is none.
        """
        direct = self._database.direct
        if version is None:
            row = direct.one(_NEWEST, (name,))
        elif (known := self._read.get((name, version))) is not None:
            return known
        else:
            row = direct.one(_GET, (name, version))
        if row is None:
            which = name if version is None else f"{name}@{version}"
            raise NotFound(f"there is no policy {which}")
        name, number, kind, digest, body, *made = row
        said = name, number, PolicyKind(kind), bytes(digest), bytes(body)
        record = PolicyRecord(*said, *made)
        if len(record.body) <= _SHORT:
            if len(self._read) >= _KEPT:
                self._read.clear()
            self._read[name, number] = record
        return record

    def versions(self, name: str, limit: int = 100) -> tuple[PolicyRecord, ...]:
        """The versions of one policy, newest first."""
        query = select(PolicyRow).where(PolicyRow.name == name)
        query = query.order_by(col(PolicyRow.version).desc()).limit(clamp(limit))
        with self._database.session() as session:
            return tuple(_record(row) for row in session.exec(query))

    def newest(self, limit: int = 500) -> tuple[PolicyRecord, ...]:
        """Each policy in its newest version, by name."""
        query = select(PolicyRow.name).distinct().order_by(col(PolicyRow.name))
        with self._database.session() as session:
            names = session.exec(query.limit(clamp(limit))).all()
            rows = (_newest(session, name) for name in names)
            return tuple(_record(row) for row in rows if row is not None)


def _newest(session: Session, name: str) -> PolicyRow | None:
    query = select(PolicyRow).where(PolicyRow.name == name)
    return session.exec(query.order_by(col(PolicyRow.version).desc()).limit(1)).first()


def _repeats(session: Session, record: PolicyRecord) -> bool:
    row = session.get(PolicyRow, (record.name, record.version))
    if row is None or row.body != record.body or row.kind != record.kind.value:
        raise Conflict(f"policy {record.name}@{record.version} is a different one")
    return False


def _check_follows(record: PolicyRecord, last: PolicyRow | None) -> None:
    expected = 1 if last is None else last.version + 1
    if record.version != expected:
        raise Conflict(f"the next version of policy {record.name} is {expected}")
    if last is not None and last.kind != record.kind.value:
        raise Conflict(f"policy {record.name} is of kind {last.kind}")


def _record(row: PolicyRow) -> PolicyRecord:
    return PolicyRecord(
        row.name,
        row.version,
        PolicyKind(row.kind),
        row.digest,
        row.body,
        row.created_at,
        row.created_by,
    )
