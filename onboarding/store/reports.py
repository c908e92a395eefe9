"""Reports exactly as devices signed them."""

import hashlib
from dataclasses import dataclass, field

from sqlmodel import col, select

from onboarding.store.database import Database
from onboarding.store.errors import InvalidRecord
from onboarding.store.gate_tables import ReportRow
from onboarding.store.pages import clamp

_LIMIT = 64 * 1024


@dataclass(frozen=True, slots=True)
class ReportRecord:
    """A signed report; ``body`` is the COSE_Sign1 as it came, up to 64 KiB."""

    guid: bytes
    kind: str
    body: bytes = field(repr=False)
    at: int

    @property
    def digest(self) -> bytes:
        """SHA-256 of the body: what audit events name it by."""
        return hashlib.sha256(self.body).digest()


class ReportStore:
    """Reports by digest; the change each one proves is logged where it is made."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, record: ReportRecord) -> bool:
        """Keep a report; False when this very one was kept before."""
        if not 0 < len(record.body) <= _LIMIT:
            raise InvalidRecord("a report has 1 to 65536 bytes")
        with self._database.transaction() as writing:
            if writing.session.get(ReportRow, record.digest) is not None:
                return False
            writing.session.add(
                ReportRow(
                    digest=record.digest,
                    guid=record.guid,
                    kind=record.kind,
                    body=record.body,
                    at=record.at,
                )
            )
        return True

    def of_device(self, guid: bytes, limit: int = 100) -> tuple[ReportRecord, ...]:
        """A device's newest reports, newest first."""
        query = select(ReportRow).where(ReportRow.guid == guid)
        query = query.order_by(col(ReportRow.at).desc()).limit(clamp(limit))
        with self._database.session() as session:
            return tuple(
                ReportRecord(row.guid, row.kind, row.body, row.at)
                for row in session.exec(query)
            )
