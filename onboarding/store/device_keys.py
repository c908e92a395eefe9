"""Keys of devices that send none in DI, laid down before by what they are called.

Nobody proves to hold such a key in DI, so each is good for one device: the
factory lays it down again for a device that is to be made anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlmodel import col, select

from onboarding.store.database import Database
from onboarding.store.direct import Connection, Sql
from onboarding.store.errors import Conflict, InvalidRecord, NotFound
from onboarding.store.events import Event, append
from onboarding.store.factory_tables import DeviceKeyRow
from onboarding.store.pages import Page, clamp
from onboarding.store.seen import Seen

KEY_LIMIT = 2048
NAME_LIMIT = 128

_FIND = Sql("SELECT public_key FROM device_keys WHERE name = ? AND used_by IS NULL")
_PUT = Sql(
    "INSERT INTO device_keys (name, public_key, created_at, created_by) "
    "VALUES (?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET "
    "public_key = excluded.public_key, created_at = excluded.created_at, "
    "created_by = excluded.created_by, used_by = NULL, used_at = NULL"
)
_HOLDER = Sql("SELECT name FROM device_keys WHERE public_key = ? AND name <> ?")
_USE = Sql(
    "UPDATE device_keys SET used_by = ?, used_at = ? WHERE name = ? AND used_by IS NULL"
)
_GET = Sql(
    "SELECT name, public_key, created_at, created_by, used_by, used_at "
    "FROM device_keys WHERE name = ?"
)
_LOCKED = Sql(_GET.sqlite, " FOR UPDATE")
_DELETE = Sql("DELETE FROM device_keys WHERE name = ?")


@dataclass(frozen=True, slots=True)
class KnownKey:
    """``public_key`` is SubjectPublicKeyInfo, DER; ``used_by`` the GUID DI gave."""

    name: str
    public_key: bytes
    created_at: int
    created_by: str
    used_by: bytes | None = None
    used_at: int | None = None


class DeviceKeyStore:
    """Known keys by name; each change is an audit event."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, keys: Sequence[KnownKey], actor: str, at: int) -> None:
        """Lay keys down, all or none; one that was used can be used again.

        Raises:
            InvalidRecord: A name or key that no column should hold, or a name twice.
            Conflict: Another device is known by the key: two would be one.
        """
        for one in keys:
            _check(one)
        if len({one.name for one in keys}) < len(keys):
            raise InvalidRecord("a device's name stands twice")
        with self._database.direct.transaction() as connection:
            events = []
            for one in keys:
                connection.count(_PUT, (one.name, one.public_key, at, actor))
                _refuse_shared(connection, one)
                detail = {"name": one.name}
                events.append(Event("device_key.known", actor, at, detail=detail))
            append(connection, *events)

    def find(self, name: str) -> bytes | None:
        """The key of a device that was not made yet; one statement."""
        row = self._database.direct.one(_FIND, (name,))
        return None if row is None else bytes(row[0])

    def page(self, cursor: str | None = None, limit: int = 100) -> Page[KnownKey]:
        """Keys by name, the used ones too."""
        size = clamp(limit)
        query = select(DeviceKeyRow).order_by(col(DeviceKeyRow.name)).limit(size + 1)
        if cursor is not None:
            query = query.where(col(DeviceKeyRow.name) > cursor)
        with self._database.session() as session:
            rows = session.exec(query).all()
        found = tuple(
            KnownKey(
                row.name,
                row.public_key,
                row.created_at,
                row.created_by,
                row.used_by,
                row.used_at,
            )
            for row in rows[:size]
        )
        return Page(found, found[-1].name if len(rows) > size else None)

    def get(self, name: str) -> KnownKey:
        """The key of that name, used or not. Raises NotFound."""
        row = self._database.direct.one(_GET, (name,))
        if row is None:
            raise NotFound("no device key is known by that name")
        return KnownKey(*row)

    def delete(
        self, name: str, actor: str, at: int, seen: Seen[KnownKey] | None = None
    ) -> None:
        """Forget a key.

        Raises:
            NotFound: There is none of that name.
            Conflict: It is not as it was seen.
        """
        with self._database.direct.transaction() as connection:
            found = connection.rows(_LOCKED, (name,))
            if seen is not None and found:
                seen.require(KnownKey(*found[0]))
            if connection.count(_DELETE, (name,)) == 0:
                raise NotFound("no device key is known by that name")
            event = Event("device_key.forgotten", actor, at, detail={"name": name})
            append(connection, event)


def use(connection: Connection, name: str, guid: bytes, at: int) -> None:
    """Use a key up, in the transaction that makes the device.

    Raises:
        Conflict: Another device was made with it meanwhile.
    """
    if connection.count(_USE, (guid, at, name)) == 0:
        raise Conflict("the key that is known by the device's name was used already")


def _refuse_shared(connection: Connection, one: KnownKey) -> None:
    found = connection.rows(_HOLDER, (one.public_key, one.name))
    if found:
        raise Conflict(f"the key of {one.name} is known as that of {found[0][0]}")


def _check(one: KnownKey) -> None:
    if not 0 < len(one.name) <= NAME_LIMIT or not one.name.isprintable():
        raise InvalidRecord("a device's name has 1 to 128 printable characters")
    if not 0 < len(one.public_key) <= KEY_LIMIT:
        raise InvalidRecord("a device's public key has at most 2048 bytes")
