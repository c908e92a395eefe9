"""Rows of ServiceInfo: plans, who is given which, and the files they send."""

from sqlalchemy import BigInteger, Index
from sqlmodel import Field

from onboarding.store.tables import Base, device_key, seconds


class PlanRow(Base, table=True):
    """One version of a named plan; never changed once stored."""

    __tablename__ = "module_plans"
    name: str = Field(primary_key=True)
    version: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    digest: bytes
    body: bytes
    created_at: int = seconds()
    created_by: str


class PlanRuleRow(Base, table=True):
    """Which plan devices with certain labels are given; all devices by none."""

    __tablename__ = "module_plan_rules"
    selector: str = Field(primary_key=True)
    plan: str
    version: int | None = None
    set_at: int = seconds()
    set_by: str


class DevicePlanRow(Base, table=True):
    """Which plan one device is given, whatever its GUID."""

    __tablename__ = "module_plan_devices"
    device: bytes = device_key()
    plan: str
    version: int | None = None
    set_at: int = seconds()
    set_by: str


class ModuleFileRow(Base, table=True):
    """A file that plans may send; ``number`` tells which is the newest of a name."""

    __tablename__ = "module_files"
    __table_args__ = (Index("ix_module_files_name", "name", "number"),)
    sha256: bytes = Field(primary_key=True)
    number: int = Field(sa_type=BigInteger)
    name: str
    sha384: bytes
    size: int = Field(sa_type=BigInteger)
    content: bytes
    added_at: int = seconds()
    added_by: str


class DeliveryRow(Base, table=True):
    """What a run of TO2 delivered, under the GUID that it ended with.

    The last run of a device that ended well is in the device's own row.
    """

    __tablename__ = "deliveries"
    __table_args__ = (Index("ix_deliveries_guid_at", "guid", "at"),)
    run: bytes = Field(primary_key=True)
    guid: bytes
    at: int = seconds()
    completed: int
    receipts: bytes


class UploadRow(Base, table=True):
    """A file that a device gave, by the run and its place in the run's plan."""

    __tablename__ = "uploads"
    run: bytes = Field(primary_key=True)
    position: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    guid: bytes = Field(index=True)
    at: int = seconds()
    content: bytes
