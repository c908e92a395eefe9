"""Rows of the ownership side: vouchers, keys, settings, log.

Rows are indexes over bytes that are kept exactly as received. They do not
leave ``store/``: every store answers with frozen records. All times are whole
seconds since 1970, UTC; all GUIDs are 16 raw bytes.
"""

from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, Integer
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel


class Base(SQLModel, registry=registry()):
    """Tables of this store alone, whatever else in the process uses SQLModel."""


METADATA = Base.metadata


def guid_key() -> Any:
    """A GUID as primary key."""
    return Field(primary_key=True)


def device_key() -> Any:
    """What names a device for good, as primary key of what belongs to it."""
    rule = ForeignKey("devices.device", onupdate="CASCADE", ondelete="CASCADE")
    return Field(primary_key=True, sa_column_args=[rule])


def seconds() -> Any:
    """A time that is always known; PostgreSQL's INTEGER ends in 2038."""
    return Field(sa_type=BigInteger)


def maybe_seconds() -> Any:
    """A time that may not have come yet."""
    return Field(default=None, sa_type=BigInteger)


def counter_key() -> Any:
    """A key that we count up ourselves; on SQLite the row's own number."""
    kind = BigInteger().with_variant(Integer(), "sqlite")
    return Field(
        primary_key=True, sa_type=kind, sa_column_kwargs={"autoincrement": False}
    )


# A row by its GUID is in one tree on SQLite then, not in two.
ONE_TREE = {"sqlite_with_rowid": False}


class VoucherColumns(Base):
    """What a live voucher and a replaced one have in common."""

    cbor: bytes  # exactly as received: never re-encoded from columns
    header_digest: bytes
    entry_digests: bytes  # 32 bytes each, oldest first
    serial: str
    device_info: str
    key_fingerprint: str
    passport: bytes | None = None
    added_at: int = seconds()


class VoucherRow(VoucherColumns, table=True):
    """A voucher that stands."""

    __tablename__ = "vouchers"
    __table_args__ = (Index("ix_vouchers_key", "key_fingerprint", "guid"),)
    guid: bytes = guid_key()
    plan: bytes | None = None  # what the next TO2 makes of the credential, if unusual


class VoucherHistoryRow(VoucherColumns, table=True):
    """A voucher that TO2 replaced, kept while its device may still need it."""

    __tablename__ = "voucher_history"
    __table_args__ = (Index("ix_voucher_history_key", "key_fingerprint", "guid"),)
    guid: bytes = guid_key()
    replaced_by: bytes = Field(index=True)  # the GUID that the device has now
    used_at: int = seconds()
    confirmed: int = 0  # 1: the new credential was seen to work


class EventRow(Base, table=True):
    """One link of the audit log; ``digest`` covers all the others."""

    __tablename__ = "events"
    seq: int = counter_key()
    guid: bytes | None = Field(default=None, index=True)
    cause: str
    actor: str
    at: int = seconds()
    evidence_digest: bytes | None = None
    detail: str
    previous: bytes
    digest: bytes


class EventHeadRow(Base, table=True):
    """Where the log ends; its one row is also the lock on appending."""

    __tablename__ = "event_head"
    id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    seq: int = seconds()
    digest: bytes


class CheckpointRow(Base, table=True):
    """Where the log stood at a time, signed by a key of the log's keeper."""

    __tablename__ = "audit_checkpoints"
    seq: int = counter_key()
    digest: bytes
    at: int = seconds()
    key_fingerprint: str
    document: bytes


class SettingRow(Base, table=True):
    """A named, versioned value, such as RVInfo or the TO2 addresses."""

    __tablename__ = "settings"
    name: str = Field(primary_key=True)
    value: bytes
    version: int
    updated_at: int = seconds()
    updated_by: str


class OwnerKeyRow(Base, table=True):
    """What was said of an owner key; one of which nothing was said is active."""

    __tablename__ = "owner_keys"
    fingerprint: str = Field(primary_key=True)
    state: str
    successor: str | None = None
    reason: str
    changed_at: int = seconds()
    changed_by: str


class ServerKeyRow(Base, table=True):
    """A key that seals session tokens, itself sealed under the key file."""

    __tablename__ = "server_keys"
    key_id: bytes = Field(primary_key=True)
    sealed: bytes
    activates: int = seconds()
    expires: int = seconds()
