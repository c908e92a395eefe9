"""Vouchers: the bytes that say whose a device is, and what replaced them."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Any, assert_never

from sqlmodel import col, func, select
from sqlmodel.sql.expression import Select

from onboarding.store import bindings, ownership, voucher_rows
from onboarding.store.bindings import BindingRecord
from onboarding.store.chains import DIGEST_SIZE, Relation, join, relation
from onboarding.store.database import Database
from onboarding.store.direct import Connection, Sql
from onboarding.store.errors import Conflict, DuplicateVoucher, NotFound
from onboarding.store.events import Event, append
from onboarding.store.pages import Page, bytes_cursor, clamp
from onboarding.store.tables import VoucherRow
from onboarding.store.voucher_rows import VoucherRecord

_GET = Sql(
    "SELECT cbor, header_digest, entry_digests, serial, device_info, "
    "key_fingerprint, passport, added_at FROM vouchers WHERE guid = ?"
)
_GET_REPLACED = Sql(
    "SELECT cbor, header_digest, entry_digests, serial, device_info, "
    "key_fingerprint, passport, added_at FROM voucher_history "
    "WHERE guid = ? AND confirmed = 0"
)
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
    "lease_expires = NULL, released_at = NULL, withdrawn_at = NULL, removal = NULL"
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
_RETIRE = Sql("UPDATE devices SET retired_at = ? WHERE guid = ?")


@unique
class Added(StrEnum):
    """What ``add`` did."""

    STORED = "stored"
    UNCHANGED = "unchanged"
    EXTENDED = "extended"


@dataclass(frozen=True, slots=True)
class VoucherSummary:
    """A line of the list: everything but the bytes."""

    guid: bytes
    serial: str
    device_info: str
    key_fingerprint: str
    entries: int
    has_passport: bool
    added_at: int


class VoucherStore:
    """Vouchers by GUID; each change is one durable commit with its event."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, record: VoucherRecord, actor: str) -> Added:
        """Store a voucher, or the longer chain of one that is stored.

        The very same chain again changes nothing, its passport included. A
        retired device whose voucher comes back starts as imported.

        Raises:
            DuplicateVoucher: That GUID has another voucher, a longer chain, or
                a device that got a new GUID since.
            InvalidRecord: A size is wrong.
        """
        voucher_rows.check(record)
        with self._database.direct.transaction() as connection:
            if _is_renamed(connection, record.guid):
                raise DuplicateVoucher(
                    "the device of this voucher was onboarded and has a new GUID"
                )
            if voucher_rows.insert(connection, record):
                _add_device(connection, record)
                append(connection, _event("voucher.stored", record, actor))
                return Added.STORED
            return _merge(connection, record, actor)

    def get(self, guid: bytes) -> VoucherRecord:
        """The voucher of that GUID, or the one its device may fall back to.

        Raises:
            NotFound: There is neither.
        """
        row = self._database.direct.one(_GET, (guid,))
        if row is not None:
            return voucher_rows.read(guid, row)
        row = self._database.direct.one(_GET_REPLACED, (guid,))
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
        size = clamp(limit)
        query = _summaries().limit(size + 1)
        if cursor is not None:
            query = query.where(col(VoucherRow.guid) > bytes_cursor(cursor))
        if key_fingerprint is not None:
            query = query.where(col(VoucherRow.key_fingerprint) == key_fingerprint)
        if serial is not None:
            query = query.where(col(VoucherRow.serial) == serial)
        with self._database.session() as session:
            rows: Sequence[Any] = session.exec(query).all()
        found = tuple(_summary(row) for row in rows[:size])
        return Page(found, found[-1].guid.hex() if len(rows) > size else None)

    def delete(self, guid: bytes, actor: str, at: int) -> None:
        """Drop a voucher; an owned device stays, as retired.

        Raises:
            NotFound: There is no such voucher.
        """
        with self._database.direct.transaction() as connection:
            if connection.count(_DELETE, (guid,)) == 0:
                raise NotFound(f"there is no voucher with GUID {guid.hex()}")
            connection.count(_CONFIRM, (guid,))
            if connection.count(_FORGET, (guid,)) == 0:
                connection.count(_RETIRE, (at, guid))
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

        Returns:
            False when this run had been committed before.

        Raises:
            NotFound: We know no device or no voucher of ``old_guid``.
            InvalidRecord: The replacement keeps the old GUID.
            EkInUse: The TPM is bound to another live device.
        """
        taking = ownership.Taking(
            old_guid, new_voucher, devmod, results, at, run_id, binding, also, ends
        )
        with self._database.direct.transaction() as connection:
            return ownership.take(connection, taking)

    def confirm(self, guid: bytes) -> bool:
        """The credential of ``guid`` was seen to work: stop serving older ones.

        Returns:
            Whether there was an older one still served.
        """
        return self._database.direct.count(_CONFIRM, (guid,)) > 0


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


def _event(cause: str, record: VoucherRecord, actor: str) -> Event:
    detail = {
        "serial": record.serial,
        "entries": len(record.entry_digests),
        "owner_key": record.key_fingerprint,
    }
    return Event(
        cause, actor, record.added_at, record.guid, record.header_digest, detail
    )


def _summaries() -> Select[Any]:
    return select(  # type: ignore[call-overload,no-any-return]  # typed up to 4
        VoucherRow.guid,
        VoucherRow.serial,
        VoucherRow.device_info,
        VoucherRow.key_fingerprint,
        func.length(VoucherRow.entry_digests) // DIGEST_SIZE,
        col(VoucherRow.passport).is_not(None),
        VoucherRow.added_at,
    ).order_by(col(VoucherRow.guid))


def _summary(row: Sequence[Any]) -> VoucherSummary:
    guid, serial, info, fingerprint, entries, has_passport, added_at = row
    return VoucherSummary(
        guid, serial, info, fingerprint, entries, bool(has_passport), added_at
    )
