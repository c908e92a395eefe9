"""Endorsement keys that people refuse, whatever vouches for them."""

from dataclasses import dataclass

from sqlmodel import col, select

from onboarding.store.database import Database
from onboarding.store.direct import Sql
from onboarding.store.errors import InvalidRecord, NotFound
from onboarding.store.events import Event
from onboarding.store.gate_tables import EkRefusalRow
from onboarding.store.seen import Seen

_HAS = Sql("SELECT 1 FROM ek_refusals WHERE digest = ?")


@dataclass(frozen=True, slots=True)
class EkRefusal:
    """One key, by the SHA-256 of its SubjectPublicKeyInfo, and why it is refused."""

    digest: bytes
    reason: str
    refused_at: int
    refused_by: str


class EkRefusalStore:
    """Refused keys by digest; each change is an audit event."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, record: EkRefusal) -> bool:
        """Refuse a key; False when it was refused already, for whatever reason.

        Raises:
            InvalidRecord: The digest has not 32 bytes, or there is no reason.
        """
        if len(record.digest) != 32 or not record.reason:
            raise InvalidRecord("a refused EK has a digest of 32 bytes and a reason")
        with self._database.transaction() as writing:
            if writing.session.get(EkRefusalRow, record.digest) is not None:
                return False
            writing.session.add(
                EkRefusalRow(
                    digest=record.digest,
                    reason=record.reason,
                    refused_at=record.refused_at,
                    refused_by=record.refused_by,
                )
            )
            detail = {"reason": record.reason}
            by, at = record.refused_by, record.refused_at
            writing.log(Event("ek_refusal.added", by, at, None, record.digest, detail))
        return True

    def has(self, digest: bytes) -> bool:
        """Whether the key is refused now."""
        return self._database.direct.one(_HAS, (digest,)) is not None

    def all(self) -> tuple[EkRefusal, ...]:
        """Every refused key, by digest."""
        query = select(EkRefusalRow).order_by(col(EkRefusalRow.digest))
        with self._database.session() as session:
            return tuple(_record(row) for row in session.exec(query))

    def get(self, digest: bytes) -> EkRefusal:
        """Raises NotFound when the key is not refused."""
        with self._database.session() as session:
            row = session.get(EkRefusalRow, digest)
            if row is None:
                raise NotFound(f"EK {digest.hex()} is not refused by hand")
            return _record(row)

    def remove(
        self, digest: bytes, actor: str, at: int, seen: Seen[EkRefusal] | None = None
    ) -> None:
        """Refuse the key no longer.

        Raises:
            NotFound: It is not refused.
            Conflict: It is not as it was seen.
        """
        with self._database.transaction() as writing:
            row = writing.session.get(EkRefusalRow, digest, with_for_update=True)
            if row is None:
                raise NotFound(f"EK {digest.hex()} is not refused by hand")
            if seen is not None:
                seen.require(_record(row))
            writing.session.delete(row)
            writing.log(Event("ek_refusal.removed", actor, at, None, digest))


def _record(row: EkRefusalRow) -> EkRefusal:
    return EkRefusal(row.digest, row.reason, row.refused_at, row.refused_by)
