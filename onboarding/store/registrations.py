"""Rendezvous registrations: where a device that asks will find its owner."""

from dataclasses import dataclass, field

from onboarding.store import chains
from onboarding.store.chains import Relation
from onboarding.store.database import Database
from onboarding.store.direct import Connection, Sql
from onboarding.store.errors import InvalidRecord, NotFound, RegistrationRefused

_TO1D_LIMIT = 16 * 1024

_GET = Sql(
    "SELECT guid, to1d, key_fingerprint, header_digest, entry_digests, device_key, "
    "expires FROM registrations WHERE guid = ? AND expires > ?"
)
_STANDING = Sql(
    "SELECT key_fingerprint, header_digest, entry_digests, expires "
    "FROM registrations WHERE guid = ?",
    " FOR UPDATE",
)
_PUT = Sql(
    "INSERT INTO registrations (guid, to1d, key_fingerprint, header_digest, "
    "entry_digests, device_key, expires) VALUES (?, ?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (guid) DO UPDATE SET to1d = excluded.to1d, "
    "key_fingerprint = excluded.key_fingerprint, "
    "header_digest = excluded.header_digest, "
    "entry_digests = excluded.entry_digests, device_key = excluded.device_key, "
    "expires = excluded.expires"
)
_LOCK = Sql("SELECT pg_advisory_xact_lock(?)")
_PRUNE = Sql("DELETE FROM registrations WHERE expires <= ?")
_COUNT = Sql("SELECT COUNT(*) FROM registrations WHERE expires > ?")


@dataclass(frozen=True, slots=True)
class RegistrationRecord:
    """An owner's signed addresses for one device.

    ``to1d`` is the COSE_Sign1 exactly as received; ``device_key`` whatever the
    rendezvous needs to check the device with (DER); digests are as in
    ``VoucherRecord``; ``expires`` in seconds since 1970.
    """

    guid: bytes
    to1d: bytes = field(repr=False)
    key_fingerprint: str
    header_digest: bytes
    entry_digests: tuple[bytes, ...]
    device_key: bytes
    expires: int


class RegistrationStore:
    """Registrations by GUID; a put is one durable commit."""

    def __init__(self, database: Database) -> None:
        self._direct = database.direct
        self._is_postgres = database.is_postgres

    def put(self, record: RegistrationRecord, now: int) -> None:
        """Store or renew a registration.

        A live one gives way only to the same owner, or to a chain that extends
        its own: who sold the device cannot take its place again.
        Source: FDO 1.1, section 5.3.

        Raises:
            RegistrationRefused: A live one stands that does not give way.
            InvalidRecord: A size is wrong.
        """
        entries = chains.join(record.entry_digests)
        if len(record.guid) != 16 or not 0 < len(record.to1d) <= _TO1D_LIMIT:
            raise InvalidRecord("a registration needs a GUID and 1 to 16384 bytes")
        with self._direct.transaction() as connection:
            if self._is_postgres:
                # No row can be locked before the first registration is there.
                key = int.from_bytes(record.guid[:8], "big", signed=True)
                connection.rows(_LOCK, (key,))
            _give_way(connection, record, entries, now)
            values = (
                record.guid,
                record.to1d,
                record.key_fingerprint,
                record.header_digest,
                entries,
                record.device_key,
                record.expires,
            )
            connection.count(_PUT, values)

    def get(self, guid: bytes, now: int) -> RegistrationRecord:
        """The live registration of a device.

        Raises:
            NotFound: There is none, or it ran out.
        """
        row = self._direct.one(_GET, (guid, now))
        if row is None:
            raise NotFound(f"no owner is registered for {guid.hex()}")
        values = [*row]
        values[4] = chains.split(row[4])
        return RegistrationRecord(*values)

    def count(self, now: int) -> int:
        """How many registrations are live."""
        row = self._direct.one(_COUNT, (now,))
        return 0 if row is None else int(row[0])

    def prune(self, now: int) -> int:
        """Drop those that ran out; return how many."""
        return self._direct.count(_PRUNE, (now,))


def _give_way(
    connection: Connection, record: RegistrationRecord, entries: bytes, now: int
) -> None:
    rows = connection.rows(_STANDING, (record.guid,))
    if not rows or rows[0][3] <= now:
        return
    fingerprint, header, stored, _ = rows[0]
    how = chains.relation(header, stored, record.header_digest, entries)
    same_owner = header == record.header_digest and (
        fingerprint == record.key_fingerprint and how is not Relation.OLDER
    )
    if not same_owner and how is not Relation.EXTENDS:
        raise RegistrationRefused("another owner's registration stands for that GUID")
