"""A stored voucher as a value, and its way in and out of a plain row."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from onboarding.store import chains
from onboarding.store.direct import Connection, Row, Sql, Value
from onboarding.store.errors import InvalidRecord, NotFound

GUID_SIZE = 16
VOUCHER_LIMIT = 1024 * 1024
PASSPORT_LIMIT = 16 * 1024

# What ``read`` takes; of a voucher that was replaced the last three are NULL.
LIVE = Sql(
    "SELECT cbor, header_digest, entry_digests, serial, device_info, "
    "key_fingerprint, passport, added_at, plan, (SELECT d.retired_at FROM devices d "
    "WHERE d.guid = vouchers.guid), (SELECT d.owner_key FROM devices d "
    "WHERE d.guid = vouchers.guid) FROM vouchers WHERE guid = ?"
)
REPLACED = Sql(
    "SELECT cbor, header_digest, entry_digests, serial, device_info, "
    "key_fingerprint, passport, added_at, NULL, NULL, NULL FROM voucher_history "
    "WHERE guid = ?"
)
SERVED = Sql(
    "SELECT cbor, header_digest, entry_digests, serial, device_info, "
    "key_fingerprint, passport, added_at, NULL, NULL, NULL FROM voucher_history "
    "WHERE guid = ? AND confirmed = 0"
)
_INSERT = Sql(
    "INSERT INTO vouchers (guid, cbor, header_digest, entry_digests, serial, "
    "device_info, key_fingerprint, passport, added_at) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (guid) DO NOTHING"
)
_REPLACE = Sql(
    "UPDATE vouchers SET guid = ?, cbor = ?, header_digest = ?, entry_digests = ?, "
    "serial = ?, device_info = ?, key_fingerprint = ?, "
    "passport = COALESCE(?, passport), added_at = ?, plan = NULL WHERE guid = ?"
)


@dataclass(frozen=True, slots=True)
class VoucherRecord:
    """A voucher's bytes and what they are indexed by.

    ``header_digest`` is SHA-256 over the header's and the HMAC's bytes as
    received; ``entry_digests`` one SHA-256 per entry, oldest first: with them
    a resale is told from a forgery without parsing. ``key_fingerprint`` is of
    the last owner's key. ``superseded`` marks one that TO2 replaced but whose
    device may still hold the older credential. ``plan`` is what the operator wants
    the next TO2 to make of the device's credential, None for the usual; ``retired``
    that its device was sold or scrapped. ``known_key`` is of the owner key that the
    device learned to know in its last TO2.
    """

    guid: bytes
    cbor: bytes = field(repr=False)
    header_digest: bytes
    entry_digests: tuple[bytes, ...]
    serial: str
    device_info: str
    key_fingerprint: str
    added_at: int
    passport: bytes | None = field(default=None, repr=False)
    superseded: bool = False
    plan: bytes | None = None
    retired: bool = False
    known_key: str | None = None


def check(record: VoucherRecord) -> None:
    """Refuse a record that no column should hold.

    Raises:
        InvalidRecord: A size is wrong; says which.
    """
    if len(record.guid) != GUID_SIZE:
        raise InvalidRecord(f"a GUID has 16 bytes, not {len(record.guid)}")
    if not 0 < len(record.cbor) <= VOUCHER_LIMIT:
        raise InvalidRecord(f"a voucher has 1 byte to 1 MiB, not {len(record.cbor)}")
    if len(record.header_digest) != chains.DIGEST_SIZE:
        raise InvalidRecord("the header's digest must be 32 bytes")
    if record.passport is not None and len(record.passport) > PASSPORT_LIMIT:
        raise InvalidRecord("a passport has at most 16 KiB")
    chains.join(record.entry_digests)


def insert(connection: Connection, record: VoucherRecord) -> bool:
    """Write the record; False when its GUID is taken."""
    return connection.count(_INSERT, _values(record)) == 1


def replace(connection: Connection, guid: bytes, record: VoucherRecord) -> None:
    """Write the record over the live one of ``guid``, in its place.

    The passport that is there stays, unless the record brings one.

    Raises:
        Conflict: The record's GUID is taken.
        NotFound: There is no live one.
    """
    if connection.count(_REPLACE, (*_values(record), guid)) == 0:
        raise NotFound(f"there is no voucher with GUID {guid.hex()}")


def _values(record: VoucherRecord) -> Sequence[Value]:
    return (
        record.guid,
        record.cbor,
        record.header_digest,
        chains.join(record.entry_digests),
        record.serial,
        record.device_info,
        record.key_fingerprint,
        record.passport,
        record.added_at,
    )


def read(guid: bytes, row: Row, *, superseded: bool = False) -> VoucherRecord:
    """The record of a row of ``LIVE``, ``REPLACED`` or ``SERVED``."""
    cbor, header, entries, serial, info, fingerprint, passport, added_at, *rest = row
    plan, retired_at, known_key = rest
    return VoucherRecord(
        guid,
        cbor,
        header,
        chains.split(entries),
        serial,
        info,
        fingerprint,
        added_at,
        passport,
        superseded,
        plan,
        retired_at is not None,
        known_key,
    )
