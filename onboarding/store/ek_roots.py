"""The trust store: certificates that an EK's chain may end in."""

import hashlib
from dataclasses import dataclass

from sqlmodel import col, select

from onboarding.store.database import Database
from onboarding.store.errors import InvalidRecord, NotFound
from onboarding.store.events import Event
from onboarding.store.gate_tables import EkRootRow

_LIMIT = 16 * 1024


@dataclass(frozen=True, slots=True)
class EkRootRecord:
    """One certificate, DER; ``subject`` is for people to read."""

    certificate: bytes
    subject: str
    added_at: int
    added_by: str

    @property
    def digest(self) -> bytes:
        """SHA-256 of the certificate: its name here."""
        return hashlib.sha256(self.certificate).digest()


class EkRootStore:
    """EK roots by digest; each change is an audit event."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, record: EkRootRecord) -> bool:
        """Trust a certificate; False when it was trusted already."""
        if not 0 < len(record.certificate) <= _LIMIT:
            raise InvalidRecord("an EK root has 1 byte to 16 KiB of DER")
        with self._database.transaction() as writing:
            if writing.session.get(EkRootRow, record.digest) is not None:
                return False
            writing.session.add(
                EkRootRow(
                    digest=record.digest,
                    certificate=record.certificate,
                    subject=record.subject,
                    added_at=record.added_at,
                    added_by=record.added_by,
                )
            )
            detail = {"subject": record.subject}
            by, at = record.added_by, record.added_at
            writing.log(Event("ek_root.added", by, at, None, record.digest, detail))
        return True

    def all(self) -> tuple[EkRootRecord, ...]:
        """Every root, by digest."""
        query = select(EkRootRow).order_by(col(EkRootRow.digest))
        with self._database.session() as session:
            return tuple(
                EkRootRecord(row.certificate, row.subject, row.added_at, row.added_by)
                for row in session.exec(query)
            )

    def remove(self, digest: bytes, actor: str, at: int) -> None:
        """Trust it no longer.

        Raises:
            NotFound: It is not in the store.
        """
        with self._database.transaction() as writing:
            row = writing.session.get(EkRootRow, digest)
            if row is None:
                raise NotFound(f"there is no EK root {digest.hex()}")
            writing.session.delete(row)
            writing.log(Event("ek_root.removed", actor, at, None, digest))
