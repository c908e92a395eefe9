"""Which plan a device is given: its own, else by its labels, else everybody's.

Asked once in each TO2. What goes for many is kept for a second, so that a service
without any rule pays nothing, and one with rules a single statement.
"""

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlmodel import Session, col, select

from onboarding.store.database import Database, Writing
from onboarding.store.device_names import by_guid
from onboarding.store.device_rows import lock
from onboarding.store.direct import Row, Sql
from onboarding.store.errors import InvalidRecord, NotFound
from onboarding.store.events import Event
from onboarding.store.plan_tables import DevicePlanRow, PlanRow, PlanRuleRow
from onboarding.store.seen import Seen

FRESH_SECONDS = 1.0
MAX_RULES = 256
MAX_LABELS = 8  # of one rule

_RULES = Sql("SELECT selector, plan, version FROM module_plan_rules")
_NEWEST = Sql("SELECT name, MAX(version) FROM module_plans GROUP BY name")
_ANY_DEVICE = Sql("SELECT 1 FROM module_plan_devices LIMIT 1")
_GIVEN = by_guid("SELECT plan, version FROM module_plan_devices WHERE device = @device")
_DEVICE = Sql(
    "SELECT d.labels, p.plan, p.version FROM device_guids g "
    "JOIN devices d ON d.device = g.device "
    "LEFT JOIN module_plan_devices p ON p.device = d.device WHERE g.guid = ?"
)


@dataclass(frozen=True, slots=True)
class PlanRule:
    """Devices with all ``labels`` are given the plan; ``version`` None: its newest."""

    labels: Mapping[str, str]
    plan: str
    version: int | None = None

    @property
    def key(self) -> str:
        """SHA-256 of its labels (hex): no two rules have the same."""
        return hashlib.sha256(_selector(self.labels).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class PlanChoice:
    """What a device is given: one version, and by which ``cause``."""

    plan: str
    version: int
    cause: str


Rules = tuple[PlanRule, ...]
Given = tuple[str, int | None]  # a device's own plan; None is its newest version


@dataclass(frozen=True, slots=True)
class _Book:
    rules: Rules = ()  # most labels first
    newest: Mapping[str, int] = field(default_factory=dict)
    any_device: bool = False


class PlanRuleStore:
    """Rules by labels, and plans of single devices; each change is an audit event."""

    def __init__(
        self, database: Database, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._database = database
        self._monotonic = monotonic
        self._known: tuple[_Book, float] | None = None  # and until when

    def choose(self, guid: bytes) -> PlanChoice | None:
        """Return the plan of the device that has, or had, this GUID; None for none.

        A rule with more labels goes before one with fewer; among equals the first
        by its text. A change made here counts at once, one made elsewhere within a
        second.
        """
        book = self._book()
        if not book.rules and not book.any_device:
            return None
        found = self._database.direct.one(_DEVICE, (guid,))
        labels, plan, version = ("{}", None, None) if found is None else found
        if plan is not None:
            return _choice(book, plan, version, "device")
        known = json.loads(labels)
        for rule in book.rules:
            if rule.labels.items() <= known.items():
                return _choice(book, rule.plan, rule.version, _selector(rule.labels))
        return None

    def rules(self) -> Rules:
        """Every rule, in the order in which they are tried."""
        return self._read().rules

    def given(self, guid: bytes) -> Given | None:
        """The plan of its own of the device whose GUID is ``guid`` now, if any."""
        row = self._database.direct.one(_GIVEN, (guid,))
        return None if row is None else (row[0], row[1])

    def set_rule(
        self, rule: PlanRule, actor: str, at: int, seen: Seen[Rules] | None = None
    ) -> None:
        """Set the rule for these labels; none stand for every device.

        Raises:
            Conflict: The rules are not as they were seen.
            NotFound: There is no such plan.
            InvalidRecord: Too many rules, or labels in one.
        """
        selector = _selector(rule.labels)
        if len(rule.labels) > MAX_LABELS:
            raise InvalidRecord(f"a rule has at most {MAX_LABELS} labels")
        detail = {
            "labels": dict(rule.labels),
            "plan": rule.plan,
            "version": rule.version,
        }
        event = Event("module_plan.ruled", actor, at, None, None, detail)
        with self._database.transaction() as writing:
            writing.log(event)  # first: who may write the log comes alone
            _require_seen(writing, seen)
            _check_plan(writing.session, rule.plan, rule.version)
            row = writing.session.get(PlanRuleRow, selector)
            if row is None:
                count = len(writing.session.exec(select(PlanRuleRow.selector)).all())
                if count >= MAX_RULES:
                    raise InvalidRecord(f"there are {MAX_RULES} rules already")
                row = PlanRuleRow(selector=selector, plan="", set_at=at, set_by=actor)
                writing.session.add(row)
            row.plan, row.version = rule.plan, rule.version
            row.set_at, row.set_by = at, actor
        self._known = None

    def drop_rule(
        self,
        labels: Mapping[str, str],
        actor: str,
        at: int,
        seen: Seen[Rules] | None = None,
    ) -> None:
        """Take the rule for these labels away.

        Raises:
            Conflict: The rules are not as they were seen.
            NotFound: There is no rule for these labels.
        """
        detail = {"labels": dict(labels), "plan": None}
        event = Event("module_plan.ruled", actor, at, None, None, detail)
        with self._database.transaction() as writing:
            writing.log(event)  # first: who may write the log comes alone
            _require_seen(writing, seen)
            row = writing.session.get(PlanRuleRow, _selector(labels))
            if row is None:
                raise NotFound("there is no rule for these labels")
            writing.session.delete(row)
        self._known = None

    def set_device(
        self,
        guid: bytes,
        plan: str | None,
        version: int | None,
        actor: str,
        at: int,
        seen: Seen[Given] | None = None,
    ) -> None:
        """Give the device whose GUID is ``guid`` now a plan of its own, or none.

        Raises:
            Conflict: Its own plan is not as it was seen.
            NotFound: There is no such device or plan.
        """
        with self._database.transaction() as writing:
            device = lock(writing, guid).device
            row = writing.session.get(DevicePlanRow, device)
            if seen is not None:
                seen.require(None if row is None else (row.plan, row.version))
            if row is not None:
                writing.session.delete(row)
                writing.session.flush()
            if plan is not None:
                _check_plan(writing.session, plan, version)
                given = DevicePlanRow(
                    device=device, plan=plan, version=version, set_at=at, set_by=actor
                )
                writing.session.add(given)
            detail = {"plan": plan, "version": version}
            writing.log(Event("module_plan.given", actor, at, guid, None, detail))
        self._known = None

    def _book(self) -> _Book:
        known = self._known
        if known is None or self._monotonic() >= known[1]:
            known = self._read(), self._monotonic() + FRESH_SECONDS
            self._known = known
        return known[0]

    def _read(self) -> _Book:
        direct = self._database.direct
        rules = _rules(direct.rows(_RULES))
        newest = {name: version for name, version in direct.rows(_NEWEST)}
        return _Book(rules, newest, direct.one(_ANY_DEVICE) is not None)


def _rules(rows: Sequence[Row]) -> Rules:
    found = [PlanRule(_labels(text), plan, version) for text, plan, version in rows]
    return tuple(
        sorted(found, key=lambda one: (-len(one.labels), _selector(one.labels)))
    )


def _require_seen(writing: Writing, seen: Seen[Rules] | None) -> None:
    if seen is not None:
        seen.require(_rules(writing.direct.rows(_RULES)))


def _choice(book: _Book, plan: str, version: int | None, cause: str) -> PlanChoice:
    """Plans are never deleted; one that is newer than the book has a version 1."""
    return PlanChoice(plan, version or book.newest.get(plan, 1), cause)


def _check_plan(session: Session, plan: str, version: int | None) -> None:
    query = select(PlanRow.version).where(PlanRow.name == plan)
    if version is not None:
        query = query.where(col(PlanRow.version) == version)
    if session.exec(query.limit(1)).first() is None:
        raise NotFound(f"there is no plan {plan}@{version or 'any'}")


def _selector(labels: Mapping[str, str]) -> str:
    """The labels as one text; empty for none."""
    return json.dumps(labels, sort_keys=True) if labels else ""


def _labels(selector: str) -> Mapping[str, str]:
    return dict(json.loads(selector)) if selector else {}
