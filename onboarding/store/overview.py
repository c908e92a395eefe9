"""The fleet for a security team: what is not attested, and what that rests on."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, or_
from sqlmodel import col, func, select

from onboarding.store.database import Database
from onboarding.store.device_filter import Labels, all_labelled, state_column
from onboarding.store.devices import DeviceRecord, read
from onboarding.store.gate_tables import BindingRow
from onboarding.store.pages import Page, bytes_cursor, clamp, time_cursor
from onboarding.store.state import DeviceState, Removal
from onboarding.store.tables import DeviceRow

ATTESTED = (DeviceState.ATTESTED, DeviceState.RELEASED)
_NOT_OURS = (DeviceState.IMPORTED, DeviceState.REGISTERED, DeviceState.RETIRED)


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
        at, guid = func.coalesce(col(DeviceRow.appraised_at), 0), col(DeviceRow.guid)
        out = [one.value for one in (*ATTESTED, *_NOT_OURS)]
        # Sorted as GUIDs, not as whole rows: of those there are few in the end.
        wanted = select(DeviceRow.guid).where(state_column(now).not_in(out))
        wanted = wanted.where(*all_labelled(within))
        if cursor is not None:
            last, name = time_cursor(cursor)
            later = and_(at == last, guid > bytes_cursor(name))
            wanted = wanted.where(or_(at > last, later))
        wanted = wanted.order_by(at, guid).limit(size + 1)
        query = select(DeviceRow).where(guid.in_(wanted)).order_by(at, guid)
        with self._database.session() as session:
            found = tuple(read(row) for row in session.exec(query))
        if len(found) <= size:
            return Page(found, None)
        end = found[size - 1]
        return Page(found[:size], f"{end.facts.appraised_at or 0}:{end.guid.hex()}")

    def overview(self) -> Overview:
        """Count what matters, in one look at all devices and one at their bindings."""
        withdrawn = and_(col(DeviceRow.withdrawn_at).is_not(None), _unproven())
        counts = select(
            func.count(),
            _count_of(col(DeviceRow.bound_at).is_(None)),
            _count_of(col(DeviceRow.frozen) == 1),
            _count_of(withdrawn),
        ).select_from(DeviceRow)
        pairs = (BindingRow.ek_class, BindingRow.klass)
        classes = (
            select(*pairs, func.count())
            .join(DeviceRow, col(DeviceRow.guid) == col(BindingRow.guid))
            .where(*_LIVE)
            .group_by(*pairs)
            .order_by(*pairs)
        )
        with self._database.session() as session:
            row = session.exec(counts.where(*_LIVE)).one()
            found = tuple(ClassCount(*one) for one in session.exec(classes))
        return Overview(*row, found)


_LIVE = (col(DeviceRow.retired_at).is_(None), col(DeviceRow.owned_at).is_not(None))


def _unproven() -> ColumnElement[bool]:
    removal = col(DeviceRow.removal)
    return or_(removal.is_(None), removal != Removal.PROVEN.value)


def _count_of(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.count().filter(condition)
