"""Rows of devices, and indexes that answer for them."""

from typing import Any

from sqlalchemy import BigInteger, Column, ForeignKey, Index, String, text
from sqlmodel import Field

from onboarding.store.tables import ONE_TREE, Base, guid_key, maybe_seconds

UNOWNED, RETIRED = "unowned", "retired"
_OURS = text("stage NOT IN ('unowned', 'retired')")
FROZEN = text("frozen = 1")
_KNOWN = text("owner_key IS NOT NULL")
# With the stage, all that a state follows from: so that an index answers for the row.
_BY_TIME = ("lease_expires", "appraised_at", "registered_until")


class DeviceRow(Base, table=True):
    """A device, and the facts its state follows from.

    ``device`` is the GUID that it came with, and names it for good: what belongs to it
    and the order of lists stay as they are when TO2 gives it another ``guid``.
    """

    __tablename__ = "devices"
    __table_args__: Any = (
        Index(
            "ix_devices_owner_key",
            *("owner_key", "guid"),
            sqlite_where=_KNOWN,
            postgresql_where=_KNOWN,
        ),
        Index("ix_devices_stage", "stage", "device", *_BY_TIME),
        Index(
            "ix_devices_seen",
            *("appraised_at", "device", "lease_expires", "stage"),
            sqlite_where=_OURS,
            postgresql_where=_OURS,
        ),
        Index(
            "ix_devices_frozen",
            *("device", "stage"),
            sqlite_where=FROZEN,
            postgresql_where=FROZEN,
        ),
        # PostgreSQL takes no entry of more than 2.7 KiB; there it is ``device_words``.
        Index(
            "ix_devices_words",
            *("device", "serial", "device_info", "profile", "stage"),
            *_BY_TIME,
        ).ddl_if(dialect="sqlite"),
    )
    device: bytes = guid_key()
    guid: bytes = Field(unique=True, index=True)  # that it has now
    previous_guid: bytes | None = None
    serial: str = Field(default="", index=True)
    device_info: str = ""
    profile: str = ""
    labels: str = "{}"
    frozen: int = 0
    devmod: bytes | None = None
    module_results: bytes | None = None
    credential: str | None = None  # what the last TO2 made of it
    owner_key: str | None = None  # the key of ours that it learned to know there
    last_run: bytes | None = None
    imported_at: int = Field(sa_type=BigInteger, index=True)
    registered_until: int | None = maybe_seconds()
    owned_at: int | None = maybe_seconds()
    bound_at: int | None = maybe_seconds()
    enrolled_at: int | None = maybe_seconds()
    appraised_at: int | None = maybe_seconds()
    appraisal_passed: int = 0
    lease_expires: int | None = maybe_seconds()
    released_at: int | None = maybe_seconds()
    withdrawn_at: int | None = maybe_seconds()
    removal: str | None = None
    retired_at: int | None = maybe_seconds()
    # How far it is, as the columns above say: its state, but for what the time of day
    # decides. An unowned one may be registered; an attested or released one may be
    # stale. Triggers keep it (migration 0027), so nobody writes it. Not GENERATED:
    # SQLite takes no index that has such a column for the row.
    stage: str | None = Field(
        default=None,
        sa_column=Column(String, nullable=False, server_default=UNOWNED),
    )


class DeviceGuidRow(Base, table=True):
    """Every GUID a device ever had, to find its history by any of them."""

    __tablename__ = "device_guids"
    __table_args__ = ONE_TREE
    guid: bytes = guid_key()
    device: bytes = Field(
        index=True,
        sa_column_args=[
            ForeignKey("devices.device", onupdate="CASCADE", ondelete="CASCADE")
        ],
    )
