"""Vouchers as they are listed: everything but the bytes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlmodel import col, func, select
from sqlmodel.sql.expression import Select

from onboarding.store.chains import DIGEST_SIZE
from onboarding.store.database import Database
from onboarding.store.device_filter import all_labelled
from onboarding.store.device_tables import DeviceRow
from onboarding.store.direct import Sql, Value
from onboarding.store.factory_tables import MadeRow
from onboarding.store.key_limits import UNLIMITED, Limits
from onboarding.store.pages import Page, bytes_cursor, clamp
from onboarding.store.tables import VoucherRow

_OF_GUID = (
    " AND d.device IN (SELECT device FROM device_guids WHERE device_guids.guid = ?)"
)
_OF_KIND = " AND v.device_info = ?"
_NEWEST = {
    conditions: Sql(
        "SELECT v.guid, d.previous_guid, v.device_info, v.added_at, d.imported_at, "  # noqa: S608 - constants
        "d.owned_at, d.retired_at FROM vouchers v JOIN devices d ON d.guid = v.guid "
        f"WHERE 1 = 1{conditions} ORDER BY d.imported_at DESC LIMIT ?"
    )
    for conditions in ("", _OF_GUID, _OF_KIND, _OF_GUID + _OF_KIND)
}


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
    retired: bool  # its device was sold or scrapped


@dataclass(frozen=True, slots=True)
class NewestVoucher:
    """A voucher and how far its device has come; times in seconds since 1970."""

    guid: bytes
    previous_guid: bytes | None
    device_info: str
    added_at: int
    imported_at: int
    owned_at: int | None
    retired: bool


def newest(
    database: Database,
    limit: int,
    guid: bytes | None = None,
    device_info: str | None = None,
) -> tuple[NewestVoucher, ...]:
    """At most ``limit`` vouchers, of one GUID or kind if named.

    Those of the devices that were imported last come first.
    ``guid`` is any that the voucher's device ever had.
    """
    conditions = ""
    values: list[Value] = []
    if guid is not None:
        conditions += _OF_GUID
        values.append(guid)
    if device_info is not None:
        conditions += _OF_KIND
        values.append(device_info)
    rows = database.direct.rows(_NEWEST[conditions], (*values, limit))
    return tuple(
        NewestVoucher(one, before, info, added, imported, owned, retired is not None)
        for one, before, info, added, imported, owned, retired in rows
    )


def page(
    database: Database,
    cursor: str | None,
    limit: int,
    key_fingerprint: str | None,
    serial: str | None,
    within: Limits = UNLIMITED,
) -> Page[VoucherSummary]:
    """Vouchers by GUID, filtered by owner key or serial when these are given.

    With ``within`` only those of devices that have all its labels, and that were made
    on one of its lines.
    """
    size = clamp(limit)
    query = _summaries().limit(size + 1)
    query = query.where(*all_labelled(within.labels))
    if within.lines:
        made = select(MadeRow.guid).where(col(MadeRow.line).in_(within.lines))
        query = query.where(col(VoucherRow.guid).in_(made))
    if cursor is not None:
        query = query.where(col(VoucherRow.guid) > bytes_cursor(cursor))
    if key_fingerprint is not None:
        query = query.where(col(VoucherRow.key_fingerprint) == key_fingerprint)
    if serial is not None:
        query = query.where(col(VoucherRow.serial) == serial)
    with database.session() as session:
        rows: Sequence[Any] = session.exec(query).all()
    found = tuple(_summary(row) for row in rows[:size])
    return Page(found, found[-1].guid.hex() if len(rows) > size else None)


def _summaries() -> Select[Any]:
    query: Select[Any] = select(  # type: ignore[call-overload]  # typed up to 4
        VoucherRow.guid,
        VoucherRow.serial,
        VoucherRow.device_info,
        VoucherRow.key_fingerprint,
        func.length(VoucherRow.entry_digests) // DIGEST_SIZE,
        col(VoucherRow.passport).is_not(None),
        VoucherRow.added_at,
        col(DeviceRow.retired_at).is_not(None),
    )
    same = col(DeviceRow.guid) == col(VoucherRow.guid)
    return query.join(DeviceRow, same, isouter=True).order_by(col(VoucherRow.guid))


def _summary(row: Sequence[Any]) -> VoucherSummary:
    guid, serial, info, fingerprint, entries, has_passport, added_at, retired = row
    return VoucherSummary(
        guid,
        serial,
        info,
        fingerprint,
        entries,
        bool(has_passport),
        added_at,
        bool(retired),
    )
