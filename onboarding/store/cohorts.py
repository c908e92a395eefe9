"""Cohorts: policies by label, each first observed and then enforced."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sqlalchemy import ColumnElement
from sqlmodel import Session, col, delete, func, select

from attestation.cohort import Cohort, Mode
from onboarding.store.cohort_tables import CohortRow, ObservationRow, UpdateWindowRow
from onboarding.store.database import Database, Writing
from onboarding.store.device_filter import labelled
from onboarding.store.device_tables import DeviceRow
from onboarding.store.direct import Sql
from onboarding.store.errors import Conflict, InvalidRecord, NotFound
from onboarding.store.events import Event
from onboarding.store.gate_tables import PolicyRow
from onboarding.store.policies import PolicyKind
from onboarding.store.seen import Seen

MAX_COHORTS = 256
_ALL = Sql("SELECT name, labels, policy_name, policy_version, mode FROM cohorts")


@dataclass(frozen=True, slots=True)
class CohortRecord:
    """A cohort, and who made it what it is, when (seconds since 1970)."""

    cohort: Cohort
    changed_at: int
    changed_by: str


class CohortStore:
    """Cohorts by name; each change of one is an audit event."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def every(self) -> tuple[Cohort, ...]:
        """All of them: asked with each attestation, so one plain statement."""
        return tuple(
            Cohort(name, json.loads(labels), policy, version, Mode(mode))
            for name, labels, policy, version, mode in self._database.direct.rows(_ALL)
        )

    def all(self) -> tuple[CohortRecord, ...]:
        """All of them by name, with who changed each last."""
        query = select(CohortRow).order_by(col(CohortRow.name))
        with self._database.session() as session:
            return tuple(_record(row) for row in session.exec(query))

    def get(self, name: str) -> CohortRecord:
        """Raises NotFound."""
        with self._database.session() as session:
            return _record(_row(session, name))

    def observe(
        self,
        cohort: Cohort,
        actor: str,
        at: int,
        seen: Seen[CohortRecord] | None = None,
    ) -> CohortRecord:
        """Have a policy observed on the devices with these labels.

        Raises:
            NotFound: There is no such policy.
            Conflict: The cohort enforces one: that is not ended by the way. Or it is
                not as it was seen.
            InvalidRecord: There are too many cohorts, or it is no attestation policy.
        """
        with self._database.transaction() as writing:
            _require_policy(writing.session, cohort.policy, cohort.version)
            row = writing.session.get(CohortRow, cohort.name, with_for_update=True)
            if seen is not None:
                seen.require(None if row is None else _record(row))
            if row is None:
                row = _new(writing.session, cohort)
            elif row.mode != Mode.OBSERVE.value:
                raise Conflict(f"cohort {cohort.name} enforces {row.policy_name}")
            row.labels = json.dumps(dict(cohort.labels), sort_keys=True)
            row.policy_name, row.policy_version = cohort.policy, cohort.version
            return _changed(writing, row, "cohort.observed", actor, at)

    def enforce(self, instead_of: Cohort, actor: str, at: int) -> CohortRecord:
        """Hold the devices of an observing cohort to its policy from now on.

        Raises:
            NotFound: There is no such cohort.
            Conflict: It is not as ``instead_of`` says, or enforces already.
        """
        with self._database.transaction() as writing:
            row = _row(writing.session, instead_of.name, locked=True)
            if _record(row).cohort != instead_of or row.mode == Mode.ENFORCE.value:
                raise Conflict(f"cohort {row.name} was changed meanwhile")
            row.mode = Mode.ENFORCE.value
            seen = delete(ObservationRow).where(col(ObservationRow.cohort) == row.name)
            writing.session.exec(seen)
            return _changed(writing, row, "cohort.enforced", actor, at)

    def remove(
        self, name: str, actor: str, at: int, seen: Seen[CohortRecord] | None = None
    ) -> None:
        """End a cohort: its devices are held to what else is assigned to them.

        Raises:
            NotFound: There is no such cohort.
            Conflict: It is not as it was seen.
        """
        with self._database.transaction() as writing:
            row = _row(writing.session, name, locked=True)
            if seen is not None:
                seen.require(_record(row))
            detail = _detail(row)
            writing.session.delete(row)
            writing.log(Event("cohort.removed", actor, at, None, None, detail))

    def update(
        self,
        instead_of: Cohort,
        version: int,
        image: bytes,
        ends_at: int,
        actor: str,
        at: int,
    ) -> int:
        """Hold an enforcing cohort to another version, and let the present one count.

        Each owned device of it has a window until ``ends_at``, or until it reports
        ``image`` (SHA-256). Return how many there are.

        Raises:
            NotFound: There is no such cohort or version.
            Conflict: It is not as ``instead_of`` says, or does not enforce.
        """
        with self._database.transaction() as writing:
            row = _row(writing.session, instead_of.name, locked=True)
            if _record(row).cohort != instead_of or row.mode != Mode.ENFORCE.value:
                raise Conflict(f"cohort {row.name} does not enforce what was expected")
            _require_policy(writing.session, row.policy_name, version)
            devices = _members_of(writing.session, instead_of)
            for device in devices:
                window = UpdateWindowRow(
                    device=device,
                    policy_name=row.policy_name,
                    old_version=row.policy_version,
                    new_version=version,
                    image=image,
                    opened_at=at,
                    opened_by=actor,
                    ends_at=ends_at,
                )
                writing.session.merge(window)
            more = {
                "old_version": row.policy_version,
                "image": image.hex(),
                "ends_at": ends_at,
                "devices": len(devices),
            }
            row.policy_version = version
            _changed(writing, row, "cohort.updating", actor, at, more)
            return len(devices)


def _members_of(session: Session, cohort: Cohort) -> tuple[bytes, ...]:
    """The names of a cohort's owned devices."""
    query = select(DeviceRow.device, DeviceRow.labels).where(*members(cohort.labels))
    found = session.exec(query.order_by(col(DeviceRow.device)))
    return tuple(device for device, text in found if cohort.has(json.loads(text)))


def members(labels: Mapping[str, str]) -> Iterator[ColumnElement[bool]]:
    """What holds of the owned devices with these labels.

    And of some others: SQLite's LIKE takes a capital for a small letter.
    """
    yield col(DeviceRow.owned_at).is_not(None)
    yield col(DeviceRow.retired_at).is_(None)
    for name, value in labels.items():
        yield labelled(name, value)


def _require_policy(session: Session, name: str, version: int) -> None:
    policy = session.get(PolicyRow, (name, version))
    if policy is None:
        raise NotFound(f"there is no policy {name}@{version}")
    if policy.kind != PolicyKind.ATTESTATION.value:
        raise InvalidRecord(f"policy {name} is of kind {policy.kind}")


def _new(session: Session, cohort: Cohort) -> CohortRow:
    if session.exec(select(func.count(col(CohortRow.name)))).one() >= MAX_COHORTS:
        raise InvalidRecord(f"there are {MAX_COHORTS} cohorts already")
    row = CohortRow(
        name=cohort.name,
        labels="",
        policy_name=cohort.policy,
        policy_version=cohort.version,
        mode=Mode.OBSERVE.value,
        changed_at=0,
        changed_by="",
    )
    session.add(row)
    return row


def _row(session: Session, name: str, *, locked: bool = False) -> CohortRow:
    row = session.get(CohortRow, name, with_for_update=True if locked else None)
    if row is None:
        raise NotFound(f"there is no cohort {name}")
    return row


def _changed(
    writing: Writing,
    row: CohortRow,
    cause: str,
    actor: str,
    at: int,
    more: Mapping[str, object] | None = None,
) -> CohortRecord:
    row.changed_at, row.changed_by = at, actor
    detail = {**_detail(row), **(more or {})}
    writing.log(Event(cause, actor, at, None, None, detail))
    return _record(row)


def _detail(row: CohortRow) -> dict[str, object]:
    return {
        "name": row.name,
        "labels": json.loads(row.labels),
        "policy": f"{row.policy_name}@{row.policy_version}",
    }


def _record(row: CohortRow) -> CohortRecord:
    return CohortRecord(
        Cohort(
            row.name,
            json.loads(row.labels),
            row.policy_name,
            row.policy_version,
            Mode(row.mode),
        ),
        row.changed_at,
        row.changed_by,
    )
