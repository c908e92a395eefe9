"""The durable commit at the end of TO2: who owns the device from now on.

The voucher that is replaced, and the one before it, stay until the device was
seen to work with the new credential: when its last message is lost it comes
back with the old one, and is served.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from onboarding.store import bindings, deliveries, owner_keys, voucher_rows
from onboarding.store.bindings import BindingRecord
from onboarding.store.direct import Connection, Sql
from onboarding.store.errors import Conflict, InvalidRecord, NotFound
from onboarding.store.events import Event, append
from onboarding.store.state import DeviceState
from onboarding.store.voucher_rows import VoucherRecord

_DEVICE = Sql(
    "SELECT d.device, d.guid, d.last_run, d.retired_at, "
    "EXISTS (SELECT 1 FROM voucher_history h "
    "WHERE h.replaced_by = d.guid) FROM device_guids g JOIN devices d "
    "ON d.device = g.device WHERE g.guid = ?",
    " FOR UPDATE",
)
_ARCHIVE = Sql(
    "INSERT INTO voucher_history (guid, cbor, header_digest, entry_digests, serial, "
    "device_info, key_fingerprint, passport, added_at, replaced_by, used_at, "
    "confirmed) SELECT guid, cbor, header_digest, entry_digests, serial, "
    "device_info, key_fingerprint, passport, added_at, ?, ?, 0 "
    "FROM vouchers WHERE guid = ?"
)
_DROP_REPLACED = Sql("DELETE FROM voucher_history WHERE guid = ? AND replaced_by = ?")
_REPOINT = Sql("UPDATE voucher_history SET replaced_by = ? WHERE replaced_by = ?")
_USED = Sql("UPDATE voucher_history SET used_at = ?, confirmed = 0 WHERE guid = ?")
_KEEP_TWO = Sql(
    "DELETE FROM voucher_history WHERE replaced_by = ? AND guid <> ? AND guid NOT IN "
    "(SELECT guid FROM voucher_history WHERE replaced_by = ? AND guid <> ? "
    "ORDER BY used_at DESC LIMIT 1)"
)
_OWN = Sql(
    "UPDATE devices SET guid = ?, previous_guid = COALESCE(?, previous_guid), "
    "devmod = ?, module_results = ?, credential = ?, last_run = ?, owned_at = ?, "
    "bound_at = ?, registered_until = NULL, enrolled_at = NULL, appraised_at = NULL, "
    "appraisal_passed = 0, lease_expires = NULL, released_at = NULL, "
    "withdrawn_at = NULL, removal = NULL, retired_at = NULL, stage = ?, owner_key = "
    "(SELECT v.key_fingerprint FROM vouchers v WHERE v.guid = ?) WHERE device = ?"
)
_OWNED, _BOUND = DeviceState.OWNED.value, DeviceState.BOUND.value
_END_TASK = Sql("DELETE FROM tasks WHERE kind = ? AND subject = ?")
_NEW_GUID = Sql(
    "INSERT INTO device_guids (guid, device) VALUES (?, ?) ON CONFLICT DO NOTHING"
)
_END_RELEASES = Sql(
    "UPDATE releases SET state = 'superseded', cause = 'ownership taken again' "
    "WHERE guid = ? AND state IN ('granted', 'released')"
)


@dataclass(frozen=True, slots=True)
class Taking:
    """What one finished TO2 brings; see ``VoucherStore.take_ownership``."""

    old_guid: bytes
    new_voucher: VoucherRecord | None
    devmod: bytes
    results: bytes
    at: int
    run_id: bytes
    binding: BindingRecord | None
    credential: str
    also: tuple[Event, ...] = ()
    ends: tuple[str, str] | None = None
    uploads: Mapping[int, bytes] = field(default_factory=dict, repr=False)
    transcript: bytes | None = None


def take(connection: Connection, taking: Taking) -> bool:
    """Apply it inside the open transaction; False when it was applied before."""
    found = connection.rows(_DEVICE, (taking.old_guid,))
    if not found:
        raise NotFound(f"there is no device with GUID {taking.old_guid.hex()}")
    device, current, last_run, retired_at, replaced = found[0]
    if last_run == taking.run_id:
        return False
    if retired_at is not None:
        raise Conflict("the device was sold or scrapped meanwhile")
    if last_run is not None:
        _end_former(connection, current)
    target = _settle_voucher(connection, taking, current, first=not replaced)
    owner_keys.require_usable(connection, taking.old_guid, target)
    deliveries.upload(connection, taking.run_id, target, taking.at, taking.uploads)
    _settle_device(connection, taking, device, target)
    if taking.binding is not None:
        bound = replace(taking.binding, guid=target, bound_at=taking.at)
        bindings.write(connection, bound)
    if taking.ends is not None:
        connection.count(_END_TASK, taking.ends)
    _log(connection, taking, target)
    if taking.binding is not None:
        bindings.require_own_ek(connection, taking.binding.ek_digest, target)
    return True


def _end_former(connection: Connection, current: bytes) -> None:
    """What a device had from when it was taken before holds no longer."""
    deliveries.lay_aside(connection, current)
    connection.count(_END_RELEASES, (current,))
    bindings.drop(connection, current)


def _settle_voucher(
    connection: Connection, taking: Taking, current: bytes, *, first: bool
) -> bytes:
    """Make the right voucher the live one; return the device's GUID from now on."""
    if taking.new_voucher is None and taking.old_guid == current:
        return current
    new = taking.new_voucher or _find(connection, taking.old_guid)
    voucher_rows.check(new)
    if new.guid == current or (taking.new_voucher and new.guid == taking.old_guid):
        raise InvalidRecord("a replacement voucher needs a GUID of its own")
    _archive(connection, taking, current, new.guid, first=first)
    try:
        voucher_rows.replace(connection, current, new)
    except Conflict as error:
        raise InvalidRecord(
            "the replacement's GUID belongs to another device"
        ) from error
    return new.guid


def _archive(
    connection: Connection,
    taking: Taking,
    current: bytes,
    target: bytes,
    *,
    first: bool,
) -> None:
    """Lay the live voucher beside the one before it; what is older goes."""
    if not first:
        connection.count(_DROP_REPLACED, (target, current))
    connection.count(_ARCHIVE, (target, taking.at, current))
    if first:
        return
    connection.count(_REPOINT, (target, current))
    connection.count(_USED, (taking.at, taking.old_guid))
    keep = (target, taking.old_guid)
    connection.count(_KEEP_TWO, keep + keep)


def _find(connection: Connection, guid: bytes) -> VoucherRecord:
    rows = connection.rows(voucher_rows.LIVE, (guid,))
    rows = rows or connection.rows(voucher_rows.REPLACED, (guid,))
    if not rows:
        raise NotFound(f"there is no voucher with GUID {guid.hex()}")
    return voucher_rows.read(guid, rows[0])


def _settle_device(
    connection: Connection, taking: Taking, device: bytes, target: bytes
) -> None:
    values = (
        target,
        taking.old_guid if taking.old_guid != target else None,
        taking.devmod,
        taking.results,
        taking.credential,
        taking.run_id,
        taking.at,
        taking.at if taking.binding is not None else None,
        # What a trigger would write as well, but each index twice.
        _OWNED if taking.binding is None else _BOUND,
        target,
        device,
    )
    connection.count(_OWN, values)
    connection.count(_NEW_GUID, (target, device))


def _log(connection: Connection, taking: Taking, target: bytes) -> None:
    actor = f"device:{target.hex()}"
    detail = {
        "came_as": taking.old_guid.hex(),
        "credential": taking.credential,
        "run": taking.run_id.hex(),
    }
    said = taking.transcript
    events = [Event("ownership.taken", actor, taking.at, target, said, detail)]
    if taking.binding is not None:
        events.append(bindings.event(taking.binding, target, actor, taking.at))
    append(connection, *events, *(_after(one, taking, target) for one in taking.also))


def _after(one: Event, taking: Taking, target: bytes) -> Event:
    """What is said of the device is said of it under the GUID that it has now."""
    return replace(one, guid=target) if one.guid == taking.old_guid else one
