"""Appraisals: every verdict, with what was compared to reach it."""

import json
import secrets
import time
from dataclasses import dataclass, replace
from enum import StrEnum, unique

from sqlalchemy import ColumnElement
from sqlmodel import col, delete, func, select
from sqlmodel.sql.expression import SelectOfScalar

from onboarding.store import device_facts, quotes
from onboarding.store.database import Database
from onboarding.store.direct import Row, Sql, Value
from onboarding.store.errors import InvalidRecord, NotFound
from onboarding.store.events import Event, append
from onboarding.store.gate_tables import AppraisalRow
from onboarding.store.pages import Page, clamp, time_cursor
from onboarding.store.state import DeviceFacts, state_of

# Each piece of evidence comes by here: without the ORM.
_COLUMNS = (
    "id, guid, channel, verdict, compared, failures, policy_name, policy_version, "
    "policy_digest, evidence_digest, at, lease_expires, clock, reset_count, "
    "restart_count, firmware, ek_class"
)
_SELECT = f"SELECT {_COLUMNS} FROM appraisals WHERE "  # noqa: S608 - our own names
_NEWEST_FIRST = "ORDER BY at DESC, id DESC LIMIT "
_GET = Sql(_SELECT + "id = ?")
_LATEST = Sql(_SELECT + "guid = ? " + _NEWEST_FIRST + "1")
_LATEST_OF = Sql(_SELECT + "guid = ? AND verdict = ? " + _NEWEST_FIRST + "1")
_LAST_COUNTED = Sql(
    _SELECT + "guid = ? AND at >= ? AND clock IS NOT NULL "
    "ORDER BY at DESC, clock DESC LIMIT 1"
)
_EVER = 2**62
_PAGE = Sql(
    _SELECT + "guid = ? AND (at < ? OR (at = ? AND id < ?)) " + _NEWEST_FIRST + "?"
)
_INSERT = Sql(
    f"INSERT INTO appraisals ({_COLUMNS}) "  # noqa: S608 - our own names
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


@unique
class Outcome(StrEnum):
    """What the verifier said; NOT_CHECKED, as nothing was compared, is no statement."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_CHECKED = "not-checked"


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
    TPM's, 64 bits) are the quote's. ``ek_class`` is what had been judged of the EK.
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
    ek_class: str | None = None


def new_id() -> str:
    """A name for a verdict: 32 hexadecimal digits that sort as they were given out.

    Times are in seconds, so of two verdicts in one second the names say which is newer.
    """
    return f"{time.time_ns():016x}{secrets.token_hex(8)}"


class AppraisalStore:
    """The history of verdicts; the newest decides the device's state."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._direct = database.direct

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
        with self._direct.transaction() as connection:
            facts = device_facts.locked(connection, record.guid)
            if facts.bound_at is None:
                raise NotFound(f"device {record.guid.hex()} is not bound to a TPM")
            before = after = state_of(facts, record.at)
            counts = _counts(record, facts)
            if counts:
                settled = _settled(record, facts)
                after = state_of(settled, record.at)
                device_facts.appraised(connection, record.guid, settled)
            connection.count(_INSERT, _values(record))
            if quote is not None:
                quotes.add(connection, record.evidence_digest, record.at, quote)
            if counts and (after is not before or record.outcome is Outcome.FAILED):
                append(connection, _event(record, actor))

    def get(self, appraisal_id: str) -> AppraisalRecord:
        """Raises NotFound when there is none of that id."""
        row = self._direct.one(_GET, (appraisal_id,))
        if row is None:
            raise NotFound(f"there is no appraisal {appraisal_id}")
        return _record(row)

    def latest(self, guid: bytes, outcome: Outcome | None = None) -> AppraisalRecord:
        """The newest under that very GUID, of one outcome if it is given.

        Raises:
            NotFound: There is none.
        """
        if outcome is None:
            row = self._direct.one(_LATEST, (guid,))
        else:
            row = self._direct.one(_LATEST_OF, (guid, outcome.value))
        if row is None:
            raise NotFound(f"device {guid.hex()} has no such appraisal")
        return _record(row)

    def last_counted(self, guid: bytes, since: int) -> AppraisalRecord:
        """The newest since a time whose quote was genuine: its counters are kept.

        However many verdicts without counters came after it.

        Raises:
            NotFound: There is none.
        """
        row = self._direct.one(_LAST_COUNTED, (guid, since))
        if row is None:
            raise NotFound(f"device {guid.hex()} has no counted appraisal")
        return _record(row)

    def page(
        self, guid: bytes, cursor: str | None = None, limit: int = 100
    ) -> Page[AppraisalRecord]:
        """A device's appraisals, newest first."""
        size = clamp(limit)
        at, name = (_EVER, "") if cursor is None else time_cursor(cursor)
        rows = self._direct.rows(_PAGE, (guid, at, at, name, size + 1))
        found = tuple(map(_record, rows))
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


def _counts(record: AppraisalRecord, facts: DeviceFacts) -> bool:
    if record.outcome is Outcome.NOT_CHECKED or record.at < (facts.bound_at or 0):
        return False
    newest = facts.appraised_at
    if newest is None or record.at > newest or record.outcome is Outcome.FAILED:
        return True
    return record.at == newest and facts.appraisal_passed


def _settled(record: AppraisalRecord, facts: DeviceFacts) -> DeviceFacts:
    passed = record.outcome is Outcome.PASSED
    lease = record.lease_expires if passed else None
    return replace(
        facts, appraised_at=record.at, appraisal_passed=passed, lease_expires=lease
    )


def _event(record: AppraisalRecord, actor: str) -> Event:
    detail = {
        "appraisal": record.id,
        "channel": record.channel,
        "policy": f"{record.policy_name}@{record.policy_version}",
        "failures": [failure.message for failure in record.failures[:16]],
    }
    cause = f"appraisal.{record.outcome.value}"
    return Event(cause, actor, record.at, record.guid, record.evidence_digest, detail)


def _values(record: AppraisalRecord) -> tuple[Value, ...]:
    failures = [[f.kind, f.message, f.context] for f in record.failures]
    return (
        record.id,
        record.guid,
        record.channel,
        record.outcome.value,
        json.dumps(record.compared),
        json.dumps(failures),
        record.policy_name,
        record.policy_version,
        record.policy_digest,
        record.evidence_digest,
        record.at,
        record.lease_expires,
        record.clock,
        record.reset_count,
        record.restart_count,
        None if record.firmware is None else f"{record.firmware:016x}",
        record.ek_class,
    )


def _record(row: Row) -> AppraisalRecord:
    name, guid, channel, verdict, compared, failures, policy, version, *rest = row
    policy_digest, evidence_digest, at, lease, clock, *told = rest
    resets, restarts, firmware, ek_class = told
    return AppraisalRecord(
        name,
        bytes(guid),
        channel,
        Outcome(verdict),
        tuple(json.loads(compared)),
        tuple(FailureRecord(*parts) for parts in json.loads(failures)),
        policy,
        version,
        bytes(policy_digest),
        bytes(evidence_digest),
        at,
        lease,
        clock,
        resets,
        restarts,
        None if firmware is None else int(firmware, 16),
        ek_class,
    )
