"""A voucher on its way in: new, the longer chain of one we have, or a duplicate."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import assert_never

from onboarding.store import bindings, voucher_rows
from onboarding.store.chains import Relation, join, relation
from onboarding.store.device_names import by_guid
from onboarding.store.direct import Connection, Sql
from onboarding.store.errors import Conflict, DuplicateVoucher, OlderVoucher
from onboarding.store.events import Event
from onboarding.store.voucher_rows import VoucherRecord

_LOCK = Sql(
    "SELECT header_digest, entry_digests FROM vouchers WHERE guid = ?", " FOR UPDATE"
)
_NOW = Sql(
    "SELECT d.guid FROM device_guids g JOIN devices d ON d.device = g.device "
    "WHERE g.guid = ?"
)
_EXTEND = Sql(
    "UPDATE vouchers SET cbor = ?, entry_digests = ?, key_fingerprint = ?, "
    "passport = COALESCE(?, passport) WHERE guid = ?"
)
_NEW_DEVICE = Sql(
    "INSERT INTO devices (device, guid, serial, device_info, profile, labels, frozen, "
    "imported_at, appraisal_passed) VALUES (?, ?, ?, ?, '', '{}', 0, ?, 0) "
    "ON CONFLICT (guid) DO UPDATE SET retired_at = NULL, registered_until = NULL, "
    "owned_at = NULL, bound_at = NULL, enrolled_at = NULL, appraised_at = NULL, "
    "lease_expires = NULL, released_at = NULL, withdrawn_at = NULL, removal = NULL, "
    "credential = NULL, owner_key = NULL"
)
_NEW_GUID = by_guid(
    "INSERT INTO device_guids (guid, device) VALUES (?, @device) ON CONFLICT DO NOTHING"
)
_RETIRED = Sql(
    "SELECT 1 FROM devices WHERE guid = ? AND retired_at IS NOT NULL", " FOR UPDATE"
)


@unique
class Added(StrEnum):
    """What became of a voucher that was no duplicate."""

    STORED = "stored"
    UNCHANGED = "unchanged"
    EXTENDED = "extended"


@dataclass(frozen=True, slots=True)
class Arrival:
    """What became of one, and the event to be logged in the same commit."""

    outcome: Added | DuplicateVoucher
    event: Event | None = None

    @property
    def changed(self) -> bool:
        """Whether we have something now that we did not have."""
        return self.outcome in (Added.STORED, Added.EXTENDED)


def add(
    connection: Connection, record: VoucherRecord, actor: str, bought: bool
) -> Arrival:
    """Write it inside the open transaction; nothing of a duplicate is written.

    Raises:
        Conflict: The one that stood there is gone; the transaction must be undone.
    """
    try:
        if insert_new(connection, record):
            return Arrival(Added.STORED, stored_event(record, actor))
    except DuplicateVoucher as error:
        return Arrival(error)
    found = _merge(connection, record, actor)
    if isinstance(found.outcome, DuplicateVoucher) or not bought:
        return found
    if not connection.rows(_RETIRED, (record.guid,)):
        return found
    _add_device(connection, record)
    if found.outcome is Added.UNCHANGED:
        return Arrival(Added.STORED, stored_event(record, actor))
    return found


def insert_new(connection: Connection, record: VoucherRecord) -> bool:
    """Write a voucher and its device, in the open transaction.

    Returns:
        False when a voucher has that GUID already.

    Raises:
        OlderVoucher: The device of that GUID got a new one since.
    """
    if _is_renamed(connection, record.guid):
        raise OlderVoucher(
            "the device of this voucher was onboarded and has a new GUID"
        )
    if not voucher_rows.insert(connection, record):
        return False
    _add_device(connection, record)
    return True


def _is_renamed(connection: Connection, guid: bytes) -> bool:
    rows = connection.rows(_NOW, (guid,))
    return bool(rows) and rows[0][0] != guid


def _add_device(connection: Connection, record: VoucherRecord) -> None:
    said = (record.serial, record.device_info, record.added_at)
    connection.count(_NEW_DEVICE, (record.guid, record.guid, *said))
    bindings.drop(connection, record.guid)
    connection.count(_NEW_GUID, (record.guid, record.guid))


def _merge(connection: Connection, record: VoucherRecord, actor: str) -> Arrival:
    standing = connection.rows(_LOCK, (record.guid,))
    if not standing:
        raise Conflict("the voucher was deleted meanwhile; import it again")
    header, entries = standing[0]
    offered = join(record.entry_digests)
    match relation(header, entries, record.header_digest, offered):
        case Relation.SAME:
            return Arrival(Added.UNCHANGED)
        case Relation.EXTENDS:
            values = (record.cbor, offered, record.key_fingerprint, record.passport)
            connection.count(_EXTEND, (*values, record.guid))
            return Arrival(Added.EXTENDED, _event("voucher.extended", record, actor))
        case Relation.OLDER:
            return Arrival(OlderVoucher("a longer chain of this voucher is stored"))
        case Relation.FOREIGN:
            return Arrival(DuplicateVoucher("another voucher with this GUID is stored"))
        case other:
            assert_never(other)


def stored_event(
    record: VoucherRecord, actor: str, more: Mapping[str, object] | None = None
) -> Event:
    """The audit event of a voucher that was not there before."""
    return _event("voucher.stored", record, actor, more)


def _event(
    cause: str,
    record: VoucherRecord,
    actor: str,
    more: Mapping[str, object] | None = None,
) -> Event:
    detail = {
        "serial": record.serial,
        "entries": len(record.entry_digests),
        "owner_key": record.key_fingerprint,
        **(more or {}),
    }
    return Event(
        cause, actor, record.added_at, record.guid, record.header_digest, detail
    )
