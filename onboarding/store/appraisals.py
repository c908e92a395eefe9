"""Appraisals: every verdict, with what was compared to reach it."""

import json
from dataclasses import dataclass
from enum import StrEnum, unique

from sqlalchemy import ColumnElement
from sqlmodel import col, delete, func, or_, select
from sqlmodel.sql.expression import SelectOfScalar

from onboarding.store import quotes
from onboarding.store.database import Database
from onboarding.store.devices import facts_of, lock
from onboarding.store.errors import InvalidRecord, NotFound
from onboarding.store.events import Event
from onboarding.store.gate_tables import AppraisalRow
from onboarding.store.pages import Page, clamp, time_cursor
from onboarding.store.state import state_of
from onboarding.store.tables import DeviceRow


@unique
class Outcome(StrEnum):
    """What the verifier said; ``error`` is no statement on the device."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class FailureRecord:
    """One thing that did not match: its kind, our sentence, where it was."""

    kind: str
    message: str
    context: str = ""


@dataclass(frozen=True, slots=True)
class AppraisalRecord:
    """One verdict. Times in seconds since 1970, digests SHA-256.

    ``compared`` names what was really compared; a pass that compared nothing
    is refused. ``clock``, ``reset_count``, ``restart_count`` and ``firmware`` (the
    TPM's, 64 bits) are the quote's.
    """

    id: str
    guid: bytes
    channel: str
    outcome: Outcome
    compared: tuple[str, ...]
    failures: tuple[FailureRecord, ...]
    policy_name: str
    policy_version: int
    policy_digest: bytes
    evidence_digest: bytes
    at: int
    lease_expires: int | None = None
    clock: int | None = None
    reset_count: int | None = None
    restart_count: int | None = None
    firmware: int | None = None


class AppraisalStore:
    """The history of verdicts; the newest decides the device's state."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self, record: AppraisalRecord, actor: str, quote: bytes | None = None
    ) -> None:
        """Store a verdict, and what it makes of the device; keep the quote with it.

        A pass counts unless a newer one is stored; a failure always does, for our
        clock may have been put back since. Nothing counts that is from before the
        device was bound. An event is logged for each failure and for each change of
        the device's state.

        Raises:
            NotFound: The device is not bound, or not under that GUID now.
            InvalidRecord: A pass without a comparison or without a lease.
            Conflict: There is an appraisal of that id.
        """
        _check(record)
        with self._database.transaction() as writing:
            device = lock(writing, record.guid)
            if device.bound_at is None:
                raise NotFound(f"device {record.guid.hex()} is not bound to a TPM")
            before = state_of(facts_of(device), record.at)
            counts = _counts(record, device)
            if counts:
                _apply(record, device)
            writing.session.add(_row(record))
            if quote is not None:
                quotes.add(writing.direct, record.evidence_digest, record.at, quote)
            after = state_of(facts_of(device), record.at)
            if counts and (after is not before or record.outcome is Outcome.FAILED):
                writing.log(_event(record, actor))

    def get(self, appraisal_id: str) -> AppraisalRecord:
        """Raises NotFound when there is none of that id."""
        with self._database.session() as session:
            row = session.get(AppraisalRow, appraisal_id)
            if row is None:
                raise NotFound(f"there is no appraisal {appraisal_id}")
            return _record(row)

    def latest(self, guid: bytes, outcome: Outcome | None = None) -> AppraisalRecord:
        """The newest under that very GUID, of one outcome if it is given.

        Raises:
            NotFound: There is none.
        """
        query = select(AppraisalRow).where(AppraisalRow.guid == guid)
        if outcome is not None:
            query = query.where(AppraisalRow.verdict == outcome.value)
        query = query.order_by(col(AppraisalRow.at).desc(), col(AppraisalRow.id).desc())
        with self._database.session() as session:
            row = session.exec(query.limit(1)).first()
            if row is None:
                raise NotFound(f"device {guid.hex()} has no such appraisal")
            return _record(row)

    def last_counted(self, guid: bytes, since: int) -> AppraisalRecord:
        """The newest since a time whose quote was genuine: its counters are kept.

        However many verdicts without counters came after it.

        Raises:
            NotFound: There is none.
        """
        at, clock = col(AppraisalRow.at), col(AppraisalRow.clock)
        query = (
            select(AppraisalRow)
            .where(AppraisalRow.guid == guid, at >= since, clock.is_not(None))
            .order_by(at.desc(), clock.desc())
        )
        with self._database.session() as session:
            row = session.exec(query.limit(1)).first()
            if row is None:
                raise NotFound(f"device {guid.hex()} has no counted appraisal")
            return _record(row)

    def page(
        self, guid: bytes, cursor: str | None = None, limit: int = 100
    ) -> Page[AppraisalRecord]:
        """A device's appraisals, newest first."""
        size = clamp(limit)
        at, name = col(AppraisalRow.at), col(AppraisalRow.id)
        query = select(AppraisalRow).where(AppraisalRow.guid == guid)
        if cursor is not None:
            last, last_name = time_cursor(cursor)
            query = query.where(or_(at < last, (at == last) & (name < last_name)))
        query = query.order_by(at.desc(), name.desc()).limit(size + 1)
        with self._database.session() as session:
            found = tuple(_record(row) for row in session.exec(query))
        end = found[:size][-1] if len(found) > size else None
        return Page(found[:size], f"{end.at}:{end.id}" if end else None)

    def prune(self, before: int) -> int:
        """Forget verdicts older than ``before`` but each device's newest.

        The newest with counters is kept too: the next quote is held against it.
        """
        name = col(AppraisalRow.id)
        old = delete(AppraisalRow).where(
            col(AppraisalRow.at) < before,
            name.not_in(_newest()),
            name.not_in(_newest(col(AppraisalRow.clock).is_not(None))),
        )
        with self._database.transaction() as writing:
            return int(writing.session.exec(old).rowcount)


def _newest(*conditions: ColumnElement[bool]) -> SelectOfScalar[str]:
    """Ids of each device's newest verdicts, of those that meet the conditions."""
    newest = (
        select(AppraisalRow.guid, func.max(AppraisalRow.at).label("at"))
        .where(*conditions)
        .group_by(col(AppraisalRow.guid))
        .subquery()
    )
    of_device = col(AppraisalRow.guid) == newest.c.guid
    return (
        select(AppraisalRow.id)
        .join(newest, of_device & (col(AppraisalRow.at) == newest.c.at))
        .where(*conditions)
    )


def _check(record: AppraisalRecord) -> None:
    if record.outcome is not Outcome.PASSED:
        return
    if not record.compared:
        raise InvalidRecord("an appraisal that compared nothing is not a pass")
    if record.failures:
        raise InvalidRecord("an appraisal with failures is not a pass")
    if record.lease_expires is None or record.lease_expires <= record.at:
        raise InvalidRecord("a pass needs a lease that ends after it")


def _counts(record: AppraisalRecord, device: DeviceRow) -> bool:
    if record.outcome is Outcome.ERROR or record.at < (device.bound_at or 0):
        return False
    newest = device.appraised_at
    if newest is None or record.at > newest or record.outcome is Outcome.FAILED:
        return True
    return record.at == newest and bool(device.appraisal_passed)


def _apply(record: AppraisalRecord, device: DeviceRow) -> None:
    passed = record.outcome is Outcome.PASSED
    device.appraised_at = record.at
    device.appraisal_passed = int(passed)
    device.lease_expires = record.lease_expires if passed else None


def _event(record: AppraisalRecord, actor: str) -> Event:
    detail = {
        "appraisal": record.id,
        "channel": record.channel,
        "policy": f"{record.policy_name}@{record.policy_version}",
        "failures": [failure.message for failure in record.failures[:16]],
    }
    cause = f"appraisal.{record.outcome.value}"
    return Event(cause, actor, record.at, record.guid, record.evidence_digest, detail)


def _row(record: AppraisalRecord) -> AppraisalRow:
    failures = [[f.kind, f.message, f.context] for f in record.failures]
    return AppraisalRow(
        id=record.id,
        guid=record.guid,
        channel=record.channel,
        verdict=record.outcome.value,
        compared=json.dumps(record.compared),
        failures=json.dumps(failures),
        policy_name=record.policy_name,
        policy_version=record.policy_version,
        policy_digest=record.policy_digest,
        evidence_digest=record.evidence_digest,
        at=record.at,
        lease_expires=record.lease_expires,
        clock=record.clock,
        reset_count=record.reset_count,
        restart_count=record.restart_count,
        firmware=None if record.firmware is None else f"{record.firmware:016x}",
    )


def _record(row: AppraisalRow) -> AppraisalRecord:
    return AppraisalRecord(
        row.id,
        row.guid,
        row.channel,
        Outcome(row.verdict),
        tuple(json.loads(row.compared)),
        tuple(FailureRecord(*parts) for parts in json.loads(row.failures)),
        row.policy_name,
        row.policy_version,
        row.policy_digest,
        row.evidence_digest,
        row.at,
        row.lease_expires,
        row.clock,
        row.reset_count,
        row.restart_count,
        None if row.firmware is None else int(row.firmware, 16),
    )
