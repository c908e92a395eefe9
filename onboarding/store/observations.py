"""What policies under observation would have said: one row a device and cohort."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

from sqlmodel import col, select

from attestation.cohort import Cohort
from onboarding.store.appraisals import FailureRecord, Outcome
from onboarding.store.cohort_tables import CohortRow, ObservationRow
from onboarding.store.cohorts import members
from onboarding.store.database import Database
from onboarding.store.device_rows import lock
from onboarding.store.device_tables import DeviceRow
from onboarding.store.events import Event

PAGE = 500


@dataclass(frozen=True, slots=True)
class ObservationRecord:
    """What a policy would have said of a device at a time; it decided nothing."""

    guid: bytes
    cohort: str
    policy_name: str
    policy_version: int
    policy_digest: bytes
    outcome: Outcome
    compared: tuple[str, ...]
    failures: tuple[FailureRecord, ...]
    evidence_digest: bytes
    at: int


@dataclass(frozen=True, slots=True)
class Member:
    """A device of a cohort, and what was observed of it last, if anything was."""

    guid: bytes
    serial: str
    labels: dict[str, str] = field(default_factory=dict)
    observation: ObservationRecord | None = None


class ObservationStore:
    """The last observation of each device in each cohort that observes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, record: ObservationRecord, actor: str) -> None:
        """Keep what was observed; an event is logged when the verdict is another.

        Nothing is kept once the cohort is gone.
        """
        with self._database.transaction() as writing:
            device = lock(writing, record.guid).device
            if writing.session.get(CohortRow, record.cohort) is None:
                return
            before = writing.session.get(ObservationRow, (device, record.cohort))
            same = before is not None and (
                before.verdict == record.outcome.value
                and before.policy_digest == record.policy_digest
            )
            writing.session.merge(_row(record, device))
            if not same:
                writing.log(_event(record, actor))

    def of_device(self, guid: bytes) -> tuple[ObservationRecord, ...]:
        """What was observed of the device whose GUID is ``guid`` now, by cohort."""
        query = select(ObservationRow).join(DeviceRow).where(DeviceRow.guid == guid)
        with self._database.session() as session:
            rows = session.exec(query.order_by(col(ObservationRow.cohort))).all()
        return tuple(_record(row, guid) for row in rows)

    def members(self, cohort: Cohort) -> Iterator[Member]:
        """Yield every owned device of a cohort by GUID, and what was observed of it.

        Read page by page, so that a cohort of any size is held nowhere as a whole.
        """
        after: bytes | None = b""
        while after is not None:
            found, after = self._page(cohort, after)
            yield from found

    def _page(
        self, cohort: Cohort, after: bytes
    ) -> tuple[tuple[Member, ...], bytes | None]:
        """The members among the next rows, and the GUID of the last if more follow."""
        seen = (col(ObservationRow.device) == DeviceRow.device) & (
            col(ObservationRow.cohort) == cohort.name
        )
        query = (
            select(DeviceRow.guid, DeviceRow.serial, DeviceRow.labels, ObservationRow)
            .join(ObservationRow, seen, isouter=True)
            .where(*members(cohort.labels), col(DeviceRow.guid) > after)
            .order_by(col(DeviceRow.guid))
            .limit(PAGE)
        )
        with self._database.session() as session:
            rows = session.exec(query).all()
            found = tuple(
                Member(guid, serial, labels, _record(row, guid) if row else None)
                for guid, serial, text, row in rows
                if cohort.has(labels := json.loads(text))
            )
        return found, rows[-1][0] if len(rows) == PAGE else None


def _event(record: ObservationRecord, actor: str) -> Event:
    detail = {
        "cohort": record.cohort,
        "policy": f"{record.policy_name}@{record.policy_version}",
        "would_have": record.outcome.value,
        "failures": [failure.message for failure in record.failures[:16]],
    }
    digest = record.evidence_digest
    return Event("policy.observed", actor, record.at, record.guid, digest, detail)


def _row(record: ObservationRecord, device: bytes) -> ObservationRow:
    failures = [[f.kind, f.message, f.context] for f in record.failures]
    return ObservationRow(
        device=device,
        cohort=record.cohort,
        policy_name=record.policy_name,
        policy_version=record.policy_version,
        policy_digest=record.policy_digest,
        verdict=record.outcome.value,
        compared=json.dumps(record.compared),
        failures=json.dumps(failures),
        evidence_digest=record.evidence_digest,
        at=record.at,
    )


def _record(row: ObservationRow, guid: bytes) -> ObservationRecord:
    return ObservationRecord(
        guid,
        row.cohort,
        row.policy_name,
        row.policy_version,
        row.policy_digest,
        Outcome(row.verdict),
        tuple(json.loads(row.compared)),
        tuple(FailureRecord(*parts) for parts in json.loads(row.failures)),
        row.evidence_digest,
        row.at,
    )
