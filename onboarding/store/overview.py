"""The fleet for a security team: what is not attested, and what that rests on."""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, literal_column, not_, or_
from sqlmodel import Session, col, func, select
from sqlmodel.sql.expression import SelectOfScalar

from onboarding.store.database import Database
from onboarding.store.device_filter import Labels, all_labelled, is_fresh
from onboarding.store.device_tables import FROZEN, RETIRED, UNOWNED, DeviceRow
from onboarding.store.devices import DeviceRecord, read
from onboarding.store.gate_tables import BindingRow
from onboarding.store.pages import Page, bytes_cursor, clamp, time_cursor
from onboarding.store.state import DeviceState, Removal


@dataclass(frozen=True, slots=True)
class ClassCount:
    """How many live devices have an EK and a binding of these classes."""

    ek_class: str
    klass: str
    count: int


@dataclass(frozen=True, slots=True)
class Overview:
    """Counts over the devices that we own and that are not retired.

    ``unproven`` are those whose workload was taken back and not proven to be gone.
    """

    owned: int
    unbound: int
    frozen: int
    unproven: int
    classes: tuple[ClassCount, ...]


class OverviewStore:
    """Questions over all devices, each answered by the database itself."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def unattested(
        self,
        now: int,
        cursor: str | None = None,
        limit: int = 100,
        within: Labels = (),
    ) -> Page[DeviceRecord]:
        """Devices that are ours and not freshly attested, the stalest first.

        Those that were never appraised come before all others. With ``within`` only
        those that have all these labels.
        """
        size = clamp(limit)
        last, name = (0, None) if cursor is None else _place(cursor)
        with self._database.session() as session:
            names: list[bytes] = []
            if last == 0:
                names += session.exec(_never(within, name, size + 1))
            if len(names) <= size:
                after = (last, name) if last else (0, None)
                rest = size + 1 - len(names)
                names += session.exec(_lapsed(now, within, *after, rest))
            rows = select(DeviceRow).where(col(DeviceRow.device).in_(names))
            known = {row.device: read(row) for row in session.exec(rows)}
        found = tuple(known[name] for name in names)
        if len(found) <= size:
            return Page(found, None)
        at = found[size - 1].facts.appraised_at or 0
        return Page(found[:size], f"{at}:{names[size - 1].hex()}")

    def overview(self) -> Overview:
        """Count what matters, from indexes, and from few rows."""
        withdrawn = col(DeviceRow.stage) == DeviceState.WITHDRAWN.value
        unbound = or_(
            col(DeviceRow.stage) == DeviceState.OWNED.value,
            and_(withdrawn, col(DeviceRow.bound_at).is_(None)),
        )
        frozen = and_(FROZEN, _OURS)
        unproven = and_(withdrawn, _unproven())
        with self._database.session() as session:
            owned, bare, stopped, left = (
                session.exec(
                    select(func.count()).select_from(DeviceRow).where(one)
                ).one()
                for one in (_OURS, unbound, frozen, unproven)
            )
            found = tuple(_classes(session))
        return Overview(owned, bare, stopped, left, found)


# Literally, as the index has it that knows no others.
_OURS = col(DeviceRow.stage).not_in(
    [literal_column(f"'{one}'") for one in (UNOWNED, RETIRED)]
)


def _classes(session: Session) -> Iterator[ClassCount]:
    """All bindings by class, from their index, but those of devices not ours."""
    pairs = (BindingRow.ek_class, BindingRow.klass)
    every = select(*pairs, func.count()).group_by(*pairs).order_by(*pairs)
    others = (
        select(*pairs, func.count())
        .join(DeviceRow, col(DeviceRow.device) == col(BindingRow.device))
        .where(col(DeviceRow.stage).in_([UNOWNED, RETIRED]))
        .group_by(*pairs)
    )
    less = {(one, two): count for one, two, count in session.exec(others)}
    for ek_class, klass, count in session.exec(every):
        if count > less.get((ek_class, klass), 0):
            left = count - less.get((ek_class, klass), 0)
            yield ClassCount(ek_class, klass, left)


def _place(cursor: str) -> tuple[int, bytes]:
    """When a page's last device was appraised (0: never), and its name."""
    at, name = time_cursor(cursor)
    return at, bytes_cursor(name)


def _never(within: Labels, after: bytes | None, limit: int) -> SelectOfScalar[bytes]:
    """Those that were never appraised, by the GUID they came with."""
    at, device = col(DeviceRow.appraised_at), col(DeviceRow.device)
    query = select(DeviceRow.device).where(at.is_(None), _OURS, *all_labelled(within))
    if after is not None:
        query = query.where(device > after)
    # In the order of the index: PostgreSQL would look through all devices instead.
    return query.order_by(at, device).limit(limit)


def _lapsed(
    now: int, within: Labels, last: int, name: bytes | None, limit: int
) -> SelectOfScalar[bytes]:
    """Those that were appraised, and are not fresh, by when that was."""
    at, device = col(DeviceRow.appraised_at), col(DeviceRow.device)
    lapsed = at >= last, _OURS, not_(is_fresh(now)), *all_labelled(within)
    query = select(DeviceRow.device).where(*lapsed)
    if name is not None:
        query = query.where(or_(at > last, device > name))
    return query.order_by(at, device).limit(limit)


def _unproven() -> ColumnElement[bool]:
    removal = col(DeviceRow.removal)
    return or_(removal.is_(None), removal != Removal.PROVEN.value)
