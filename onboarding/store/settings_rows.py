"""Values that operators set at run time, such as RVInfo and TO2 addresses."""

import hashlib
from dataclasses import dataclass

from onboarding.store.database import Database
from onboarding.store.direct import Sql
from onboarding.store.errors import Conflict, InvalidRecord, NotFound
from onboarding.store.events import Event, append

RVINFO = "rvinfo"
TO2_ADDRESSES = "to2_addresses"

_LIMIT = 64 * 1024

_GET = Sql(
    "SELECT name, value, version, updated_at, updated_by FROM settings WHERE name = ?"
)
_INSERT = Sql(
    "INSERT INTO settings (name, value, version, updated_at, updated_by) "
    "VALUES (?, ?, 1, ?, ?) ON CONFLICT (name) DO NOTHING"
)
_UPDATE = Sql(
    "UPDATE settings SET value = ?, version = version + 1, updated_at = ?, "
    "updated_by = ? WHERE name = ?"
)
_DELETE = Sql("DELETE FROM settings WHERE name = ?")
_UPDATE_IF = Sql(
    "UPDATE settings SET value = ?, version = version + 1, updated_at = ?, "
    "updated_by = ? WHERE name = ? AND version = ?"
)


@dataclass(frozen=True, slots=True)
class Setting:
    """A value, as bytes, and how often it was set."""

    name: str
    value: bytes
    version: int
    updated_at: int
    updated_by: str


class SettingStore:
    """Settings by name; one plain statement to read, fit for each message."""

    def __init__(self, database: Database) -> None:
        self._direct = database.direct

    def get(self, name: str) -> Setting:
        """Raises NotFound when it was never set."""
        row = self._direct.one(_GET, (name,))
        if row is None:
            raise NotFound(f"{name} was never set")
        return Setting(*row)

    def put(
        self,
        name: str,
        value: bytes,
        actor: str,
        at: int,
        expected_version: int | None = None,
    ) -> Setting:
        """Set a value; with ``expected_version`` only if that is the one there.

        0 expects that the value was never set.

        Raises:
            Conflict: Another version is there.
            InvalidRecord: The value is over 64 KiB.
        """
        if len(value) > _LIMIT:
            raise InvalidRecord(f"{name} has at most 64 KiB")
        with self._direct.transaction() as connection:
            common = (value, at, actor, name)
            if expected_version is None:
                done = connection.count(_UPDATE, common)
            elif expected_version > 0:
                done = connection.count(_UPDATE_IF, (*common, expected_version))
            else:
                done = 0
            if not done and not expected_version:
                done = connection.count(_INSERT, (name, value, at, actor))
            if not done:
                raise Conflict(f"{name} was changed meanwhile")
            digest = hashlib.sha256(value).digest()
            detail = {"name": name}
            append(
                connection, Event("setting.changed", actor, at, None, digest, detail)
            )
            return Setting(*connection.rows(_GET, (name,))[0])

    def clear(self, name: str, actor: str, at: int) -> bool:
        """Forget a value, as if it had never been set; False when it was not."""
        with self._direct.transaction() as connection:
            if not connection.count(_DELETE, (name,)):
                return False
            told = Event("setting.cleared", actor, at, None, None, {"name": name})
            append(connection, told)
            return True
