"""Endorsement keys that people have accepted by hand, for want of a certificate."""

from dataclasses import dataclass

from sqlmodel import col, select

from onboarding.store.database import Database
from onboarding.store.direct import Sql
from onboarding.store.errors import InvalidRecord, NotFound
from onboarding.store.events import Event
from onboarding.store.gate_tables import EkAcceptanceRow
from onboarding.store.seen import Seen

_HAS = Sql("SELECT 1 FROM ek_acceptances WHERE digest = ?")


@dataclass(frozen=True, slots=True)
class EkAcceptance:
    """One key, by the SHA-256 of its SubjectPublicKeyInfo, and why it is accepted."""

    digest: bytes
    reason: str
    accepted_at: int
    accepted_by: str


class EkAcceptanceStore:
    """Accepted keys by digest; each change is an audit event."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, record: EkAcceptance) -> bool:
        """Accept a key; False when it was accepted already, for whatever reason.

        Raises:
            InvalidRecord: The digest has not 32 bytes, or there is no reason.
        """
        if len(record.digest) != 32 or not record.reason:
            raise InvalidRecord("an accepted EK has a digest of 32 bytes and a reason")
        with self._database.transaction() as writing:
            if writing.session.get(EkAcceptanceRow, record.digest) is not None:
                return False
            writing.session.add(
                EkAcceptanceRow(
                    digest=record.digest,
                    reason=record.reason,
                    accepted_at=record.accepted_at,
                    accepted_by=record.accepted_by,
                )
            )
            detail = {"reason": record.reason}
            by, at = record.accepted_by, record.accepted_at
            event = Event("ek_acceptance.added", by, at, None, record.digest, detail)
            writing.log(event)
        return True

    def has(self, digest: bytes) -> bool:
        """Whether the key is accepted now."""
        return self._database.direct.one(_HAS, (digest,)) is not None

    def all(self) -> tuple[EkAcceptance, ...]:
        """Every accepted key, by digest."""
        query = select(EkAcceptanceRow).order_by(col(EkAcceptanceRow.digest))
        with self._database.session() as session:
            return tuple(_record(row) for row in session.exec(query))

    def get(self, digest: bytes) -> EkAcceptance:
        """Raises NotFound when the key is not accepted."""
        with self._database.session() as session:
            row = session.get(EkAcceptanceRow, digest)
            if row is None:
                raise NotFound(f"EK {digest.hex()} is not accepted by hand")
            return _record(row)

    def remove(
        self, digest: bytes, actor: str, at: int, seen: Seen[EkAcceptance] | None = None
    ) -> None:
        """Accept the key no longer.

        Raises:
            NotFound: It is not accepted.
            Conflict: It is not as it was seen.
        """
        with self._database.transaction() as writing:
            row = writing.session.get(EkAcceptanceRow, digest, with_for_update=True)
            if row is None:
                raise NotFound(f"EK {digest.hex()} is not accepted by hand")
            if seen is not None:
                seen.require(_record(row))
            writing.session.delete(row)
            writing.log(Event("ek_acceptance.removed", actor, at, None, digest))


def _record(row: EkAcceptanceRow) -> EkAcceptance:
    return EkAcceptance(row.digest, row.reason, row.accepted_at, row.accepted_by)
