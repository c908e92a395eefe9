"""Release decisions, each with the facts it was made from."""

import hashlib
import json
from dataclasses import dataclass, field

from sqlmodel import col, or_, select
from sqlmodel.sql.expression import SelectOfScalar

from onboarding.store.database import Database
from onboarding.store.device_filter import Labels, of_labelled
from onboarding.store.device_rows import guids_of
from onboarding.store.errors import NotFound
from onboarding.store.events import Event
from onboarding.store.gate_tables import DecisionRow
from onboarding.store.pages import Page, clamp, time_cursor


@dataclass(frozen=True, slots=True)
class ReasonRecord:
    """Why: a code, a sentence, and what would change it."""

    code: str
    sentence: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """One decision. ``facts`` are its encoded inputs, enough to make it again."""

    id: str
    guid: bytes
    allowed: bool
    reasons: tuple[ReasonRecord, ...]
    facts: bytes = field(repr=False)
    policy_digest: bytes
    manifest_digest: bytes | None
    at: int


class DecisionStore:
    """Decisions, never changed once stored."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, record: DecisionRecord, actor: str) -> None:
        """Store a decision; one that differs from the device's last is an event.

        Raises:
            Conflict: There is a decision of that id.
        """
        with self._database.transaction() as writing:
            row = writing.session.exec(_newest(record.guid)).first()
            last = _gist(_record(row)) if row is not None else None
            writing.session.expunge_all()  # only its gist was wanted
            writing.session.add(_row(record))
            if last != _gist(record):
                writing.log(_event(record, actor))

    def get(self, decision_id: str) -> DecisionRecord:
        """Raises NotFound when there is none of that id."""
        with self._database.session() as session:
            row = session.get(DecisionRow, decision_id)
            if row is None:
                raise NotFound(f"there is no decision {decision_id}")
            return _record(row)

    def page(
        self,
        cursor: str | None = None,
        limit: int = 100,
        guid: bytes | None = None,
        within: Labels = (),
    ) -> Page[DecisionRecord]:
        """Decisions, newest first; of one device, under all its GUIDs, if given.

        Only over devices that have all labels of ``within``.
        """
        size = clamp(limit)
        at, name = col(DecisionRow.at), col(DecisionRow.id)
        query = select(DecisionRow).order_by(at.desc(), name.desc()).limit(size + 1)
        query = query.where(*of_labelled(col(DecisionRow.guid), within))
        if guid is not None:
            known = col(DecisionRow.guid).in_(guids_of(guid))
            query = query.where((col(DecisionRow.guid) == guid) | known)
        if cursor is not None:
            last, last_name = time_cursor(cursor)
            query = query.where(or_(at < last, (at == last) & (name < last_name)))
        with self._database.session() as session:
            found = tuple(_record(row) for row in session.exec(query))
        end = found[:size][-1] if len(found) > size else None
        return Page(found[:size], f"{end.at}:{end.id}" if end else None)


def _newest(guid: bytes) -> SelectOfScalar[DecisionRow]:
    at, name = col(DecisionRow.at), col(DecisionRow.id)
    query = select(DecisionRow).where(DecisionRow.guid == guid)
    return query.order_by(at.desc(), name.desc()).limit(1)


def _gist(record: DecisionRecord) -> tuple[bool, tuple[str, ...], bytes | None]:
    codes = tuple(reason.code for reason in record.reasons)
    return record.allowed, codes, record.manifest_digest


def _event(record: DecisionRecord, actor: str) -> Event:
    cause = "decision.allowed" if record.allowed else "decision.denied"
    detail = {
        "decision": record.id,
        "reasons": [reason.sentence for reason in record.reasons[:16]],
    }
    evidence = hashlib.sha256(record.facts).digest()
    return Event(cause, actor, record.at, record.guid, evidence, detail)


def _row(record: DecisionRecord) -> DecisionRow:
    reasons = [[r.code, r.sentence, r.remedy] for r in record.reasons]
    return DecisionRow(
        id=record.id,
        guid=record.guid,
        allowed=int(record.allowed),
        reasons=json.dumps(reasons),
        facts=record.facts,
        policy_digest=record.policy_digest,
        manifest_digest=record.manifest_digest,
        at=record.at,
    )


def _record(row: DecisionRow) -> DecisionRecord:
    return DecisionRecord(
        row.id,
        row.guid,
        bool(row.allowed),
        tuple(ReasonRecord(*parts) for parts in json.loads(row.reasons)),
        row.facts,
        row.policy_digest,
        row.manifest_digest,
        row.at,
    )
