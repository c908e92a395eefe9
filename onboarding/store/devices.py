"""Devices: what is known of each, from which its state is computed."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sqlmodel import col, func, select

from onboarding.store.database import Database
from onboarding.store.device_counts import count_states
from onboarding.store.device_filter import DeviceFilter, Labels
from onboarding.store.device_rows import guids_of, lock
from onboarding.store.device_tables import DeviceRow
from onboarding.store.direct import Row, Sql
from onboarding.store.errors import Conflict, InvalidRecord, NotFound
from onboarding.store.events import Event
from onboarding.store.pages import Page, bytes_cursor, clamp
from onboarding.store.state import DeviceFacts, DeviceState, Removal, state_of

_LABELS_LIMIT = 4096
# Asked for with each message of an owned device: without the ORM.
COLUMNS = (
    "d.guid, d.previous_guid, d.serial, d.device_info, d.profile, d.labels, "
    "d.frozen, d.imported_at, d.removal, d.registered_until, d.owned_at, d.bound_at, "
    "d.enrolled_at, d.appraised_at, d.appraisal_passed, d.lease_expires, "
    "d.released_at, d.withdrawn_at, d.retired_at, d.devmod, d.module_results, "
    "d.credential"
)
NAMED = "FROM device_guids g JOIN devices d ON d.device = g.device "
"""From where the columns are, of whoever has, or had, the GUID ``g.guid``."""

_GET = Sql(f"SELECT {COLUMNS} {NAMED} WHERE g.guid = ?")


@dataclass(frozen=True, slots=True)
class DeviceRecord:
    """A device under the GUID it has now; times in seconds since 1970.

    ``devmod`` and ``module_results`` are CBOR as the last TO2 left them.
    """

    guid: bytes
    previous_guid: bytes | None
    serial: str
    device_info: str
    profile: str
    labels: Mapping[str, str]
    frozen: bool
    imported_at: int
    removal: Removal | None
    facts: DeviceFacts
    devmod: bytes | None = field(repr=False)
    module_results: bytes | None = field(repr=False)
    credential: str | None = None  # replaced, reused or kept, by the last TO2

    def state(self, now: int) -> DeviceState:
        """How far the device has come, as of ``now``."""
        return state_of(self.facts, now)


class DeviceStore:
    """Devices by any GUID they ever had; changes name the present one."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, guid: bytes, within: Labels = ()) -> DeviceRecord:
        """The device that has, or had, this GUID.

        Raises:
            NotFound: No device ever did; or it lacks a label of ``within``.
        """
        row = self._database.direct.one(_GET, (guid,))
        found = None if row is None else of_row(row)
        if found is None or not {*within} <= {*found.labels.items()}:
            raise NotFound(f"there is no device with GUID {guid.hex()}")
        return found

    def known_as(self, guid: bytes) -> tuple[bytes, ...]:
        """Every GUID of the device that has, or had, this one; else none."""
        with self._database.session() as session:
            return tuple(session.exec(guids_of(guid)))

    def of_serial(self, serial: str, limit: int = 100) -> tuple[bytes, ...]:
        """The present GUIDs of devices of that serial number, the latest first."""
        query = select(DeviceRow.guid).where(DeviceRow.serial == serial)
        query = query.order_by(col(DeviceRow.imported_at).desc(), col(DeviceRow.guid))
        with self._database.session() as session:
            return tuple(session.exec(query.limit(limit)))

    def page(
        self,
        now: int,
        cursor: str | None = None,
        limit: int = 100,
        state: DeviceState | None = None,
        matching: DeviceFilter | None = None,
    ) -> Page[DeviceRecord]:
        """Devices, only those in ``state`` at ``now`` if one is given.

        Or those that match a whole filter, which has a state of its own. They stand by
        the GUID that they came with, so each keeps its place.
        """
        size = clamp(limit)
        wanted = matching or DeviceFilter(state)
        device = col(DeviceRow.device)
        # Names first, which an index has: of whole rows there are few in the end.
        chosen = select(DeviceRow.device).where(*wanted.conditions(now))
        if cursor is not None:
            chosen = chosen.where(device > bytes_cursor(cursor))
        chosen = chosen.order_by(device).limit(size + 1)
        query = select(DeviceRow).where(device.in_(chosen)).order_by(device)
        with self._database.session() as session:
            rows = session.exec(query).all()
            found = tuple(read(row) for row in rows[:size])
            last = rows[size - 1].device.hex() if len(rows) > size else None
        return Page(found, last)

    def counts(
        self, now: int, matching: DeviceFilter | None = None
    ) -> Mapping[DeviceState, int]:
        """How many devices are in each state at ``now``; of those that match."""
        wanted = (matching or DeviceFilter()).conditions(now)
        with self._database.session() as session:
            return count_states(session, now, tuple(wanted))

    def total(self) -> int:
        """How many devices there are."""
        with self._database.session() as session:
            return session.exec(select(func.count(col(DeviceRow.guid)))).one()

    def describe(
        self,
        guid: bytes,
        actor: str,
        at: int,
        *,
        profile: str | None = None,
        labels: Mapping[str, str] | None = None,
        instead_of: Mapping[str, str] | None = None,
        within: Labels = (),
    ) -> None:
        """Set the board profile or the labels; what is None stays as it was.

        Raises:
            Conflict: The labels are not those that ``instead_of`` expects.
            NotFound: There is no such device, or it lacks a label of ``within``.
        """
        text = None if labels is None else json.dumps(labels, sort_keys=True)
        if text is not None and len(text) > _LABELS_LIMIT:
            raise InvalidRecord("a device's labels have at most 4 KiB of JSON")

        def change(row: DeviceRow) -> None:
            before = json.loads(row.labels)
            if not {*within} <= {*before.items()}:
                raise NotFound(f"there is no device with GUID {guid.hex()}")
            if instead_of is not None and before != {**instead_of}:
                raise Conflict("the labels were changed meanwhile")
            row.profile = row.profile if profile is None else profile
            row.labels = row.labels if text is None else text

        detail = {"profile": profile, "labels": None if labels is None else {**labels}}
        self._change(
            guid, change, Event("device.described", actor, at, guid, None, detail)
        )

    def registered(
        self, guid: bytes, until: int, server: str, actor: str, at: int
    ) -> None:
        """A rendezvous server granted a registration until ``until``."""

        def change(row: DeviceRow) -> None:
            row.registered_until = max(until, row.registered_until or 0)

        detail = {"server": server, "until": until}
        event = Event("device.registered", actor, at, guid, None, detail)
        self._change(guid, change, event)

    def enrolled(self, guid: bytes, channel: str, actor: str, at: int) -> None:
        """Keylime, or its evidence channel, now expects this device."""

        def change(row: DeviceRow) -> None:
            if row.bound_at is None:
                raise InvalidRecord("a device must be bound before it is enrolled")
            row.enrolled_at = at

        event = Event("device.enrolled", actor, at, guid, None, {"channel": channel})
        self._change(guid, change, event)

    def freeze(
        self, guid: bytes, frozen: bool, reason: str, actor: str, at: int
    ) -> None:
        """Stop, or allow again, that anything is released to the device."""

        def change(row: DeviceRow) -> None:
            row.frozen = int(frozen)

        cause = "device.frozen" if frozen else "device.thawed"
        event = Event(cause, actor, at, guid, None, {"reason": reason})
        self._change(guid, change, event)

    def retire(self, guid: bytes, reason: str, actor: str, at: int) -> None:
        """The device was resold or scrapped."""

        def change(row: DeviceRow) -> None:
            row.retired_at = at

        event = Event("device.retired", actor, at, guid, None, {"reason": reason})
        self._change(guid, change, event)

    def _change(
        self, guid: bytes, change: Callable[[DeviceRow], None], event: Event
    ) -> None:
        with self._database.transaction() as writing:
            change(lock(writing, guid))
            writing.log(event)


def facts_of(row: DeviceRow) -> DeviceFacts:
    """What the row says, as the state function takes it."""
    return DeviceFacts(
        row.registered_until,
        row.owned_at,
        row.bound_at,
        row.enrolled_at,
        row.appraised_at,
        bool(row.appraisal_passed),
        row.lease_expires,
        row.released_at,
        row.withdrawn_at,
        row.retired_at,
    )


def of_row(row: Row) -> DeviceRecord:
    """The record that ``COLUMNS`` of a row hold."""
    (guid, previous, serial, info, profile, labels, frozen, imported, removal) = row[:9]
    until, owned, bound, enrolled, appraised, passed, *rest = row[9:19]
    facts = DeviceFacts(until, owned, bound, enrolled, appraised, bool(passed), *rest)
    return DeviceRecord(
        bytes(guid),
        previous,
        serial,
        info,
        profile,
        json.loads(labels),
        bool(frozen),
        imported,
        None if removal is None else Removal(removal),
        facts,
        *row[19:],
    )


def read(row: DeviceRow) -> DeviceRecord:
    """The record that a row keeps."""
    return DeviceRecord(
        row.guid,
        row.previous_guid,
        row.serial,
        row.device_info,
        row.profile,
        json.loads(row.labels),
        bool(row.frozen),
        row.imported_at,
        Removal(row.removal) if row.removal is not None else None,
        facts_of(row),
        row.devmod,
        row.module_results,
        row.credential,
    )
