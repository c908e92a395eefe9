"""The fleet for a security team: what is not attested, and what that rests on."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, or_
from sqlmodel import col, func, select

from onboarding.store.database import Database
from onboarding.store.device_filter import state_column
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
        self, now: int, cursor: str | None = None, limit: int = 100
    ) -> Page[DeviceRecord]:
        """Devices that are ours and not freshly attested, the stalest first.

        Those that were never appraised come before all others.
        """
        size = clamp(limit)
        at, guid = func.coalesce(col(DeviceRow.appraised_at), 0), col(DeviceRow.guid)
        out = [one.value for one in (*ATTESTED, *_NOT_OURS)]
        query = select(DeviceRow).where(state_column(now).not_in(out))
        if cursor is not None:
            last, name = time_cursor(cursor)
            later = and_(at == last, guid > bytes_cursor(name))
            query = query.where(or_(at > last, later))
        query = query.order_by(at, guid).limit(size + 1)
        with self._database.session() as session:
            found = tuple(read(row) for row in session.exec(query))
        if len(found) <= size:
            return Page(found, None)
        end = found[size - 1]
        return Page(found[:size], f"{end.facts.appraised_at or 0}:{end.guid.hex()}")

    def overview(self) -> Overview:
        """Count what matters."""
        with self._database.session() as session:

            def count(*conditions: ColumnElement[bool]) -> int:
                query = select(func.count(col(DeviceRow.guid)))
                return session.exec(query.where(*_LIVE, *conditions)).one()

            pairs = (BindingRow.ek_class, BindingRow.klass)
            classes = (
                select(*pairs, func.count())
                .join(DeviceRow, col(DeviceRow.guid) == col(BindingRow.guid))
                .where(*_LIVE)
                .group_by(*pairs)
                .order_by(*pairs)
            )
            return Overview(
                count(),
                count(col(DeviceRow.bound_at).is_(None)),
                count(col(DeviceRow.frozen) == 1),
                count(col(DeviceRow.withdrawn_at).is_not(None), _unproven()),
                tuple(ClassCount(*row) for row in session.exec(classes)),
            )


_LIVE = (col(DeviceRow.retired_at).is_(None), col(DeviceRow.owned_at).is_not(None))


def _unproven() -> ColumnElement[bool]:
    removal = col(DeviceRow.removal)
    return or_(removal.is_(None), removal != Removal.PROVEN.value)
