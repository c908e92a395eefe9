"""Update windows: while a device gets another image, the version before counts too."""

from dataclasses import dataclass

from sqlmodel import col, select

from onboarding.store.cohort_tables import UpdateWindowRow
from onboarding.store.database import Database
from onboarding.store.device_filter import Labels, all_labelled
from onboarding.store.device_rows import lock
from onboarding.store.device_tables import DeviceRow
from onboarding.store.direct import Sql
from onboarding.store.errors import NotFound
from onboarding.store.events import Event
from onboarding.store.pages import Page, bytes_cursor, clamp
from onboarding.store.seen import Seen

COLUMNS = (
    "w.policy_name, w.old_version, w.new_version, w.image, w.opened_at, "
    "w.opened_by, w.ends_at, w.closed_at, w.closed_by"
)
_GET = Sql(
    f"SELECT d.guid, {COLUMNS} FROM devices d "  # noqa: S608 - our own names
    "JOIN update_windows w ON w.device = d.device WHERE d.guid = ?"
)
REPORTED = "image-reported"
CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class UpdateWindowRecord:
    """One device's window; times in seconds since 1970, ``image`` a SHA-256.

    It ends by itself at ``ends_at``, whoever is alive then; ``closed_at`` is set when
    it ended before.
    """

    guid: bytes
    policy_name: str
    old_version: int
    new_version: int
    image: bytes
    opened_at: int
    opened_by: str
    ends_at: int
    closed_at: int | None = None
    closed_by: str | None = None

    def open_at(self, now: int) -> bool:
        """Whether the version before counts at ``now``."""
        return self.closed_at is None and self.opened_at <= now <= self.ends_at


class UpdateWindowStore:
    """At most one window a device: the last that was opened."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, guid: bytes) -> UpdateWindowRecord | None:
        """The device's last window, open or not."""
        row = self._database.direct.one(_GET, (guid,))
        return None if row is None else UpdateWindowRecord(*row)

    def page(
        self,
        now: int,
        cursor: str | None = None,
        limit: int = 100,
        within: Labels = (),
    ) -> Page[UpdateWindowRecord]:
        """Windows that are open at ``now``, by GUID.

        With ``within`` only those of devices that have all these labels.
        """
        size, row = clamp(limit), UpdateWindowRow
        query = select(row, DeviceRow.guid).join(DeviceRow)
        query = query.where(col(row.closed_at).is_(None), col(row.ends_at) >= now)
        query = query.where(*all_labelled(within))
        if cursor is not None:
            query = query.where(col(DeviceRow.guid) > bytes_cursor(cursor))
        query = query.order_by(col(DeviceRow.guid)).limit(size + 1)
        with self._database.session() as session:
            found = tuple(_record(one, guid) for one, guid in session.exec(query))
        more = len(found) > size
        return Page(found[:size], found[size - 1].guid.hex() if more else None)

    def close(
        self,
        guid: bytes,
        cause: str,
        actor: str,
        at: int,
        seen: Seen[UpdateWindowRecord] | None = None,
    ) -> bool:
        """End a window before its time; False when none was open.

        Raises:
            NotFound: The device has none.
            Conflict: It is not as it was seen.
        """
        with self._database.transaction() as writing:
            device = lock(writing, guid).device
            row = writing.session.get(UpdateWindowRow, device)
            if row is None:
                raise NotFound(f"device {guid.hex()} has no update window")
            record = _record(row, guid)
            if seen is not None:
                seen.require(record)
            if not record.open_at(at):
                return False
            row.closed_at, row.closed_by = at, cause
            detail = {
                "cause": cause,
                "policy": row.policy_name,
                "old_version": row.old_version,
                "new_version": row.new_version,
                "image": row.image.hex(),
            }
            writing.log(Event("update.closed", actor, at, guid, None, detail))
            return True


def _record(row: UpdateWindowRow, guid: bytes) -> UpdateWindowRecord:
    return UpdateWindowRecord(
        guid,
        row.policy_name,
        row.old_version,
        row.new_version,
        row.image,
        row.opened_at,
        row.opened_by,
        row.ends_at,
        row.closed_at,
        row.closed_by,
    )
