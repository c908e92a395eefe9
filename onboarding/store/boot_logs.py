"""The firmware's event log of each device's last boot, so that it is sent once.

A copy of what the device has, as it was sent beside a genuine quote; whoever uses it
holds it against the quote of that time.
"""

import hashlib
import zlib

from onboarding.store.database import Database
from onboarding.store.device_names import by_guid
from onboarding.store.direct import Connection, Sql
from onboarding.store.errors import InvalidRecord, NotFound

_LIMIT = 2 * 1024 * 1024  # bytes, as they come
_DIGEST = by_guid("SELECT digest FROM boot_logs WHERE device = @device")
_GET = by_guid("SELECT size, body FROM boot_logs WHERE device = @device AND digest = ?")
_PUT = by_guid(
    "INSERT INTO boot_logs (device, digest, size, body, at) "
    "VALUES (@device, ?, ?, ?, ?) ON CONFLICT (device) DO UPDATE "
    "SET digest = excluded.digest, size = excluded.size, "
    "body = excluded.body, at = excluded.at"
)
_FORGET = by_guid("DELETE FROM boot_logs WHERE device = @device")
_PRUNE = Sql("DELETE FROM boot_logs WHERE at < ?")


class BootLogStore:
    """One log a device; ``digest`` is SHA-256."""

    def __init__(self, database: Database) -> None:
        self._direct = database.direct

    def digest(self, guid: bytes) -> bytes:
        """Which log is kept of a device; "" where none is."""
        row = self._direct.one(_DIGEST, (guid,))
        return b"" if row is None else bytes(row[0])

    def get(self, guid: bytes, digest: bytes) -> bytes:
        """Raises NotFound when that very log is not kept (any more)."""
        row = self._direct.one(_GET, (guid, digest))
        if row is None:
            raise NotFound(f"that event log of device {guid.hex()} is not kept")
        size, body = row
        return zlib.decompress(bytes(body), bufsize=size + 1)

    def put(self, guid: bytes, log: bytes, at: int) -> None:
        """Keep a log in the place of the one before.

        Raises:
            InvalidRecord: It is empty or over 2 MiB.
        """
        if not 0 < len(log) <= _LIMIT:
            raise InvalidRecord("an event log has 1 byte to 2 MiB")
        digest = hashlib.sha256(log).digest()
        self._direct.count(_PUT, (guid, digest, len(log), zlib.compress(log), at))

    def prune(self, before: int) -> int:
        """Forget those that were sent before a time; say how many."""
        return self._direct.count(_PRUNE, (before,))


def forget(connection: Connection, guid: bytes) -> None:
    """Drop a device's log, in the open transaction."""
    connection.count(_FORGET, (guid,))
