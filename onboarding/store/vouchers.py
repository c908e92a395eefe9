"""Vouchers: the bytes that say whose a device is, and what replaced them."""

from collections.abc import Mapping
from enum import StrEnum, unique
from typing import assert_never

from onboarding.store import bindings, ownership, voucher_list, voucher_rows
from onboarding.store.bindings import BindingRecord
from onboarding.store.chains import Relation, join, relation
from onboarding.store.database import Database
from onboarding.store.direct import Connection, Sql
from onboarding.store.errors import Conflict, DuplicateVoucher, NotFound
from onboarding.store.events import Event, append
from onboarding.store.pages import Page
from onboarding.store.voucher_list import VoucherSummary
from onboarding.store.voucher_rows import VoucherRecord

_LOCK = Sql(
    "SELECT header_digest, entry_digests FROM vouchers WHERE guid = ?", " FOR UPDATE"
)
_DEVICE = Sql("SELECT device FROM device_guids WHERE guid = ?")
_EXTEND = Sql(
    "UPDATE vouchers SET cbor = ?, entry_digests = ?, key_fingerprint = ?, "
    "passport = COALESCE(?, passport) WHERE guid = ?"
)
_NEW_DEVICE = Sql(
    "INSERT INTO devices (guid, serial, device_info, profile, labels, frozen, "
    "imported_at, appraisal_passed) VALUES (?, ?, ?, '', '{}', 0, ?, 0) "
    "ON CONFLICT (guid) DO UPDATE SET retired_at = NULL, registered_until = NULL, "
    "owned_at = NULL, bound_at = NULL, enrolled_at = NULL, appraised_at = NULL, "
    "lease_expires = NULL, released_at = NULL, withdrawn_at = NULL, removal = NULL, "
    "credential = NULL, owner_key = NULL"
)
_NEW_GUID = Sql(
    "INSERT INTO device_guids (guid, device) VALUES (?, ?) ON CONFLICT DO NOTHING"
)
_CONFIRM = Sql(
    "UPDATE voucher_history SET confirmed = 1 WHERE replaced_by = ? AND confirmed = 0"
)
_PASSPORT = Sql("UPDATE vouchers SET passport = ? WHERE guid = ?")
_DELETE = Sql("DELETE FROM vouchers WHERE guid = ?")
_FORGET = Sql("DELETE FROM devices WHERE guid = ? AND owned_at IS NULL")
_RETIRED = Sql(
    "SELECT 1 FROM devices WHERE guid = ? AND retired_at IS NOT NULL", " FOR UPDATE"
)
_RETIRE = Sql("UPDATE devices SET retired_at = ? WHERE guid = ?")


@unique
class Added(StrEnum):
    """What ``add`` did."""

    STORED = "stored"
    UNCHANGED = "unchanged"
    EXTENDED = "extended"


class VoucherStore:
    """Vouchers by GUID; each change is one durable commit with its event."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, record: VoucherRecord, actor: str, *, bought: bool = False) -> Added:
        """Store a voucher, or the longer chain of one that is stored.

        The very same chain again changes nothing, its passport included. A
        retired device starts as imported when its voucher comes back: after it was
        deleted, or as one that is ``bought``, which names us.

        Raises:
            DuplicateVoucher: That GUID has another voucher, a longer chain, or
                a device that got a new GUID since.
            InvalidRecord: A size is wrong.
        """
        voucher_rows.check(record)
        with self._database.direct.transaction() as connection:
            if insert_new(connection, record):
                append(connection, stored_event(record, actor))
                return Added.STORED
            added = _merge(connection, record, actor)
            if not (bought and connection.rows(_RETIRED, (record.guid,))):
                return added
            _add_device(connection, record)
            if added is Added.UNCHANGED:
                append(connection, stored_event(record, actor))
                return Added.STORED
            return added

    def get(self, guid: bytes) -> VoucherRecord:
        """The voucher of that GUID, or the one its device may fall back to.

        Raises:
            NotFound: There is neither.
        """
        row = self._database.direct.one(voucher_rows.LIVE, (guid,))
        if row is not None:
            return voucher_rows.read(guid, row)
        row = self._database.direct.one(voucher_rows.SERVED, (guid,))
        if row is not None:
            return voucher_rows.read(guid, row, superseded=True)
        raise NotFound(f"there is no voucher with GUID {guid.hex()}")

    def page(
        self,
        cursor: str | None = None,
        limit: int = 100,
        key_fingerprint: str | None = None,
        serial: str | None = None,
    ) -> Page[VoucherSummary]:
        """Vouchers by GUID, filtered by owner key or serial when these are given."""
        return voucher_list.page(self._database, cursor, limit, key_fingerprint, serial)

    def delete(self, guid: bytes, actor: str, at: int) -> None:
        """Drop a voucher; an owned device stays, as retired.

        Raises:
            NotFound: There is no such voucher.
        """
        with self._database.direct.transaction() as connection:
            drop(connection, guid, at)
            append(connection, Event("voucher.deleted", actor, at, guid))

    def set_passport(self, guid: bytes, passport: bytes, actor: str, at: int) -> None:
        """Lay a passport beside its voucher.

        Raises:
            NotFound: There is no such voucher.
        """
        with self._database.direct.transaction() as connection:
            if connection.count(_PASSPORT, (passport, guid)) == 0:
                raise NotFound(f"there is no voucher with GUID {guid.hex()}")
            append(connection, Event("passport.stored", actor, at, guid))

    def take_ownership(
        self,
        old_guid: bytes,
        new_voucher: VoucherRecord | None,
        devmod: bytes,
        results: bytes,
        at: int,
        *,
        run_id: bytes,
        binding: BindingRecord | None = None,
        also: tuple[Event, ...] = (),
        ends: tuple[str, str] | None = None,
        uploads: Mapping[int, bytes] | None = None,
        credential: str | None = None,
        transcript: bytes | None = None,
    ) -> bool:
        """Commit TO2: one durable transaction, the same again changes nothing.

        Args:
            old_guid: The GUID the device came with.
            new_voucher: The replacement, under a GUID of its own; None when the
                credential is reused.
            devmod: What the device said of itself, CBOR.
            results: What its modules reported, CBOR.
            at: Seconds since 1970.
            run_id: Names the run, so that a repeated Done is known as such.
            binding: The TPM it was bound to, if it was; takes the new GUID.
            also: Further events of this run, logged in the same commit.
            ends: Kind and subject of the task that is pointless from now on.
            uploads: Files that the device gave, by their module's place in ``results``.
            credential: What became of the device's credential, if the voucher does
                not tell: a device that cannot take a new one keeps the old.
            transcript: The digest over the run's messages, logged as its evidence.

        Returns:
            False when this run had been committed before.

        Raises:
            NotFound: We know no device or no voucher of ``old_guid``.
            InvalidRecord: The replacement keeps the old GUID.
            EkInUse: The TPM is bound to another live device.
            Conflict: The device was sold or scrapped, or its owner key was blocked.
        """
        said = credential or ("reused" if new_voucher is None else "replaced")
        taking = ownership.Taking(
            old_guid,
            new_voucher,
            devmod,
            results,
            at,
            run_id,
            binding,
            said,
            also,
            ends,
            uploads or {},
            transcript,
        )
        with self._database.direct.transaction() as connection:
            return ownership.take(connection, taking)

    def confirm(self, guid: bytes) -> bool:
        """The credential of ``guid`` was seen to work: stop serving older ones.

        Returns:
            Whether there was an older one still served.
        """
        return self._database.direct.count(_CONFIRM, (guid,)) > 0


def insert_new(connection: Connection, record: VoucherRecord) -> bool:
    """Write a voucher and its device, in the open transaction.

    Returns:
        False when a voucher has that GUID already.

    Raises:
        DuplicateVoucher: The device of that GUID got a new one since.
    """
    if _is_renamed(connection, record.guid):
        raise DuplicateVoucher(
            "the device of this voucher was onboarded and has a new GUID"
        )
    if not voucher_rows.insert(connection, record):
        return False
    _add_device(connection, record)
    return True


def drop(connection: Connection, guid: bytes, at: int) -> None:
    """Take a voucher away, in the open transaction; an owned device is retired.

    Raises:
        NotFound: There is no such voucher.
    """
    if connection.count(_DELETE, (guid,)) == 0:
        raise NotFound(f"there is no voucher with GUID {guid.hex()}")
    connection.count(_CONFIRM, (guid,))
    if connection.count(_FORGET, (guid,)) == 0:
        connection.count(_RETIRE, (at, guid))


def _is_renamed(connection: Connection, guid: bytes) -> bool:
    rows = connection.rows(_DEVICE, (guid,))
    return bool(rows) and rows[0][0] != guid


def _add_device(connection: Connection, record: VoucherRecord) -> None:
    values = (record.guid, record.serial, record.device_info, record.added_at)
    connection.count(_NEW_DEVICE, values)
    bindings.drop(connection, record.guid)
    connection.count(_NEW_GUID, (record.guid, record.guid))


def _merge(connection: Connection, record: VoucherRecord, actor: str) -> Added:
    standing = connection.rows(_LOCK, (record.guid,))
    if not standing:
        raise Conflict("the voucher was deleted meanwhile; import it again")
    header, entries = standing[0]
    offered = join(record.entry_digests)
    match relation(header, entries, record.header_digest, offered):
        case Relation.SAME:
            return Added.UNCHANGED
        case Relation.EXTENDS:
            values = (record.cbor, offered, record.key_fingerprint, record.passport)
            connection.count(_EXTEND, (*values, record.guid))
            append(connection, _event("voucher.extended", record, actor))
            return Added.EXTENDED
        case Relation.OLDER:
            raise DuplicateVoucher("a longer chain of this voucher is stored")
        case Relation.FOREIGN:
            raise DuplicateVoucher("another voucher with this GUID is stored")
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
