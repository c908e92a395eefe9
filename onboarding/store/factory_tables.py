"""Rows of the factory: production lines, who speaks for them, and what they made."""

from typing import Any

from sqlalchemy import Index, text
from sqlmodel import Field

from onboarding.store.tables import ONE_TREE, Base, guid_key, maybe_seconds, seconds

_ALARMED = text("alarm IS NOT NULL AND settled_at IS NULL")


class LineRow(Base, table=True):
    """A production line; ``body`` is its settings, JSON."""

    __tablename__ = "production_lines"
    name: str = Field(primary_key=True)
    version: int
    body: bytes
    updated_at: int = seconds()
    updated_by: str


class StationRow(Base, table=True):
    """Who may speak for a line; of its secret only the SHA-256 is kept."""

    __tablename__ = "line_stations"
    id: str = Field(primary_key=True)
    line: str = Field(index=True)
    name: str
    secret_digest: bytes
    created_at: int = seconds()
    created_by: str
    revoked_at: int | None = maybe_seconds()


class DeviceKeyRow(Base, table=True):
    """The key of a device that sends none in DI, by what the device is called."""

    __tablename__ = "device_keys"
    name: str = Field(primary_key=True)
    public_key: bytes = Field(index=True)  # SubjectPublicKeyInfo, DER
    created_at: int = seconds()
    created_by: str
    used_by: bytes | None = None  # the GUID that DI gave
    used_at: int | None = maybe_seconds()


class MadeRow(Base, table=True):
    """One finished DI: which device was given which GUID, where and when."""

    __tablename__ = "made_devices"
    __table_args__: Any = (
        Index("ix_made_devices_serial", "serial", "made_at"),
        Index("ix_made_devices_line", "line", "made_at"),
        Index("ix_made_devices_made_at", "made_at", "guid"),
        Index(
            "ix_made_devices_alarmed",
            "made_at",
            sqlite_where=_ALARMED,
            postgresql_where=_ALARMED,
        ),
        ONE_TREE,
    )
    guid: bytes = guid_key()
    serial: str
    line: str
    station: str
    device_key: bytes  # SHA-256 of its SubjectPublicKeyInfo
    header_digest: bytes
    opened_at: int = seconds()
    made_at: int = seconds()
    superseded_by: bytes | None = None
    alarm: str | None = None
    settled_at: int | None = maybe_seconds()
