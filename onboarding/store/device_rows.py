"""Rows of devices by any GUID of theirs, for the stores of what belongs to a device."""

from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from onboarding.store.database import Writing
from onboarding.store.device_tables import DeviceGuidRow, DeviceRow
from onboarding.store.errors import NotFound


def find(session: Session, guid: bytes) -> DeviceRow:
    """The row of the device that has, or had, this GUID.

    Raises:
        NotFound: No device ever did.
    """
    known = session.get(DeviceGuidRow, guid)
    row = session.get(DeviceRow, known.device) if known is not None else None
    if row is None:
        raise NotFound(f"there is no device with GUID {guid.hex()}")
    return row


def guids_of(guid: bytes) -> SelectOfScalar[bytes]:
    """Every GUID of the device that has, or had, this one: for ``IN``."""
    device = select(DeviceGuidRow.device).where(DeviceGuidRow.guid == guid)
    return select(DeviceGuidRow.guid).where(
        col(DeviceGuidRow.device).in_(device.scalar_subquery())
    )


def lock(writing: Writing, guid: bytes) -> DeviceRow:
    """The row of the device whose GUID is ``guid`` now, locked for a change.

    Raises:
        NotFound: There is none.
    """
    query = select(DeviceRow).where(DeviceRow.guid == guid).with_for_update()
    fresh = query.execution_options(populate_existing=True)
    row = writing.session.exec(fresh).first()
    if row is None:
        raise NotFound(f"there is no device with GUID {guid.hex()}")
    return row
