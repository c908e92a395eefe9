"""What golden devices were asked to show, and have shown: one row a device."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlmodel import Session, select

from onboarding.store.database import Database
from onboarding.store.device_names import by_guid
from onboarding.store.device_rows import lock
from onboarding.store.device_tables import DeviceRow
from onboarding.store.errors import InvalidRecord, NotFound
from onboarding.store.events import Event
from onboarding.store.gate_tables import LearningRow

_LIMIT = 2 * 1024 * 1024  # bytes of a boot's event log
_PCRS = 24
_WANTED = by_guid("SELECT 1 FROM learnings WHERE device = @device AND at IS NULL")


@dataclass(frozen=True, slots=True)
class LearningRecord:
    """``at`` is when it was shown, None before; PCR values are in hexadecimal."""

    guid: bytes
    asked_at: int
    asked_by: str
    at: int | None = None
    bank: str = ""
    pcrs: Mapping[int, str] = field(default_factory=dict)
    boot_log: bytes = field(default=b"", repr=False)


class LearningStore:
    """By device; what was shown stays until it is asked for again."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ask(self, guid: bytes, actor: str, at: int) -> None:
        """Have the device show what it is; what it showed before is forgotten."""
        with self._database.transaction() as writing:
            device = lock(writing, guid).device
            row = writing.session.get(LearningRow, device)
            if row is not None:
                writing.session.delete(row)
                writing.session.flush()
            writing.session.add(
                LearningRow(
                    device=device, asked_at=at, asked_by=actor, bank="", pcrs="{}",
                    boot_log=b"",
                )
            )  # fmt: skip
            writing.log(Event("policy.learning", actor, at, guid, None))

    def wanted(self, guid: bytes) -> bool:
        """Whether the device was asked, and has not shown anything yet."""
        return self._database.direct.one(_WANTED, (guid,)) is not None

    def show(self, record: LearningRecord, actor: str) -> None:
        """Keep what a device has shown, once.

        Raises:
            NotFound: It was not asked.
            InvalidRecord: The log is over 2 MiB, or there are no or too many PCRs.
        """
        if not 0 < len(record.pcrs) <= _PCRS or len(record.boot_log) > _LIMIT:
            raise InvalidRecord("a device shows 1 to 24 PCRs, and a log up to 2 MiB")
        with self._database.transaction() as writing:
            row = _row(writing.session, record.guid)
            if row.at is not None or record.at is None:
                return
            row.at, row.bank = record.at, record.bank
            row.pcrs = json.dumps({str(pcr): v for pcr, v in record.pcrs.items()})
            row.boot_log = record.boot_log
            detail = {"log": len(record.boot_log)}
            event = Event("policy.shown", actor, record.at, record.guid, None, detail)
            writing.log(event)

    def get(self, guid: bytes) -> LearningRecord:
        """Raises NotFound when the device was not asked."""
        with self._database.session() as session:
            row = _row(session, guid)
            pcrs = {int(pcr): value for pcr, value in json.loads(row.pcrs).items()}
            return LearningRecord(
                guid,
                row.asked_at,
                row.asked_by,
                row.at,
                row.bank,
                pcrs,
                row.boot_log,
            )


def _row(session: Session, guid: bytes) -> LearningRow:
    query = select(LearningRow).join(DeviceRow).where(DeviceRow.guid == guid)
    row = session.exec(query).first()
    if row is None:
        raise NotFound(f"device {guid.hex()} was not asked to be learnt from")
    return row
