"""Rendezvous registrations: where a device that asks will find its owner.

One that ran out is not seen any more, whether or not anybody has swept it up: each
put takes a few such rows away. How many rows an owner's key has is kept beside
them, so that a quota costs the same at one and at a million registrations.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from onboarding.protocol.registration import Claim
from onboarding.store import chains
from onboarding.store.database import Database
from onboarding.store.direct import Connection, Row, Sql
from onboarding.store.errors import (
    InvalidRecord,
    NotFound,
    QuotaReached,
    RegistrationRefused,
)
from onboarding.store.key_rules import Holder
from onboarding.store.pages import Page, bytes_cursor, clamp

RECLAIMED = 8  # rows that ran out, taken away by each put
PRUNED = 1000  # at most, by one call

_TO1D_LIMIT = 16 * 1024

_GET = Sql(
    "SELECT guid, to1d, key_fingerprint, header_digest, entry_digests, device_key, "
    "expires, maker, COALESCE("
    "(SELECT holder FROM key_rules WHERE holder = 'owner' "
    "AND fingerprint = registrations.key_fingerprint AND verdict = 'deny'), "
    "(SELECT holder FROM key_rules WHERE holder = 'manufacturer' "
    "AND fingerprint = registrations.maker AND verdict = 'deny')) "
    "FROM registrations WHERE guid = ? AND expires > ?"
)
_STANDING = Sql(
    "SELECT key_fingerprint, header_digest, entry_digests, expires "
    "FROM registrations WHERE guid = ?",
    " FOR UPDATE",
)
_PUT = Sql(
    "INSERT INTO registrations (guid, to1d, key_fingerprint, header_digest, "
    "entry_digests, device_key, expires, maker) VALUES (?, ?, ?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (guid) DO UPDATE SET to1d = excluded.to1d, "
    "key_fingerprint = excluded.key_fingerprint, "
    "header_digest = excluded.header_digest, "
    "entry_digests = excluded.entry_digests, device_key = excluded.device_key, "
    "expires = excluded.expires, maker = excluded.maker"
)
_LOCK = Sql("SELECT pg_advisory_xact_lock(?)")
# Materialized: PostgreSQL may run a plain subquery again and again, and skip each time
# what it has locked, which deletes more than the limit.
_EXPIRED = (
    "WITH gone AS MATERIALIZED (SELECT guid FROM registrations "
    "WHERE expires <= ? ORDER BY expires LIMIT ?{lock}) "
    "DELETE FROM registrations WHERE guid IN (SELECT guid FROM gone) "
    "RETURNING key_fingerprint"
)
_RECLAIM = Sql(_EXPIRED.format(lock=""))
_RECLAIM_SKIPPING = Sql(_EXPIRED.format(lock=" FOR UPDATE SKIP LOCKED"))
_HELD = Sql(
    "INSERT INTO registration_owners (fingerprint, held) VALUES (?, ?) "
    "ON CONFLICT (fingerprint) DO UPDATE SET "
    "held = registration_owners.held + excluded.held RETURNING held"
)
_NONE_HELD = Sql("DELETE FROM registration_owners WHERE fingerprint = ? AND held <= 0")
_QUOTA = Sql(
    "SELECT o.held, k.quota FROM registration_owners o LEFT JOIN key_rules k "
    "ON k.holder = 'owner' AND k.fingerprint = o.fingerprint WHERE o.fingerprint = ?"
)
_COUNT = Sql("SELECT COUNT(*) FROM registrations WHERE expires > ?")
_OWNERS = Sql(
    "SELECT fingerprint, held FROM registration_owners WHERE fingerprint > ? "
    "ORDER BY fingerprint LIMIT ?"
)


@dataclass(frozen=True, slots=True)
class RegistrationRecord:
    """An owner's signed addresses for one device.

    ``to1d`` is the COSE_Sign1 exactly as received; ``device_key`` whatever the
    rendezvous needs to check the device with (DER); digests are as in
    ``VoucherRecord``; ``expires`` in seconds since 1970. ``denied`` says whose key the
    operator denies by now; it is looked up, not stored.
    """

    guid: bytes
    to1d: bytes = field(repr=False)
    key_fingerprint: str
    header_digest: bytes
    entry_digests: tuple[bytes, ...]
    device_key: bytes
    expires: int
    maker: str | None = None
    denied: str | None = None

    @property
    def denied_key(self) -> str | None:
        """Whose key is denied, and which, in words."""
        if self.denied is None:
            return None
        whose = Holder(self.denied)
        key = self.key_fingerprint if whose is Holder.OWNER else self.maker
        return f"the {whose.value}'s key {key}"

    @property
    def claim(self) -> Claim:
        return Claim(self.key_fingerprint, self.header_digest, self.entry_digests)


class RegistrationStore:
    """Registrations by GUID; a put is one durable commit."""

    def __init__(self, database: Database) -> None:
        self._direct = database.direct
        self._is_postgres = database.is_postgres
        self._reclaim = _RECLAIM_SKIPPING if database.is_postgres else _RECLAIM

    def put(self, record: RegistrationRecord, now: int, quota: int) -> None:
        """Store or renew a registration.

        Args:
            quota: How many one owner's key may hold, where no rule says otherwise.

        Raises:
            RegistrationRefused: A live one stands that does not give way, or the
                owner holds its quota already. A renewal is never over the quota.
            InvalidRecord: A size is wrong.
        """
        if len(record.guid) != 16 or not 0 < len(record.to1d) <= _TO1D_LIMIT:
            raise InvalidRecord("a registration needs a GUID and 1 to 16384 bytes")
        try:
            self._put(record, now, quota)
        except QuotaReached:
            # What it holds counts rows that ran out, until somebody takes them away.
            if not self.prune(now):
                raise
            self._put(record, now, quota)

    def _put(self, record: RegistrationRecord, now: int, quota: int) -> None:
        entries = chains.join(record.entry_digests)
        owner = record.key_fingerprint
        with self._direct.transaction() as connection:
            if self._is_postgres:
                # No row can be locked before the first registration is there.
                key = int.from_bytes(record.guid[:8], "big", signed=True)
                connection.rows(_LOCK, (key,))
            before = _give_way(connection, record, now)
            values = (
                record.guid,
                record.to1d,
                owner,
                record.header_digest,
                entries,
                record.device_key,
                record.expires,
                record.maker,
            )
            connection.count(_PUT, values)
            changes = Counter({owner: 1})
            if before is not None:
                changes[before] -= 1
            changes.subtract(self._take_away(connection, now, RECLAIMED))
            _note(connection, changes)
            if before != owner:
                _check_quota(connection, owner, quota)

    def get(self, guid: bytes, now: int) -> RegistrationRecord:
        """The live registration of a device, a denied one too.

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
        """How many registrations are live; this looks at each of them."""
        row = self._direct.one(_COUNT, (now,))
        return 0 if row is None else int(row[0])

    def owners(self, cursor: str | None, limit: int) -> Page[tuple[str, int]]:
        """Owners' keys and how many registrations each holds, by fingerprint.

        Those that ran out and were not taken away yet are counted.
        """
        count, after = clamp(limit), bytes_cursor(cursor or "").hex()
        found = self._direct.rows(_OWNERS, (after, count + 1))
        items = tuple((str(name), int(held)) for name, held in found[:count])
        return Page(items, items[-1][0] if len(found) > count else None)

    def prune(self, now: int, limit: int = PRUNED) -> int:
        """Take away up to ``limit`` that ran out; return how many."""
        with self._direct.transaction() as connection:
            gone = self._take_away(connection, now, limit)
            _note(connection, Counter({name: -count for name, count in gone.items()}))
        return gone.total()

    def _take_away(
        self, connection: Connection, now: int, limit: int
    ) -> "Counter[str]":
        rows = connection.rows(self._reclaim, (now, limit))
        return Counter(str(row[0]) for row in rows)


def _give_way(
    connection: Connection, record: RegistrationRecord, now: int
) -> str | None:
    """Return whose registration stands, however long it ran out ago; None if none."""
    rows: Sequence[Row] = connection.rows(_STANDING, (record.guid,))
    if not rows:
        return None
    owner, header, entries, expires = rows[0]
    if expires > now:
        standing = Claim(owner, header, chains.split(entries))
        objection = standing.objection(record.claim)
        if objection is not None:
            raise RegistrationRefused(objection)
    return str(owner)


def _note(connection: Connection, changes: "Counter[str]") -> None:
    """Keep what each owner holds.

    Always in one order, so that two transactions do not wait for each other.
    """
    for name in sorted(changes):
        if changes[name] == 0:
            continue
        held = int(connection.rows(_HELD, (name, changes[name]))[0][0])
        if held <= 0:
            connection.count(_NONE_HELD, (name,))


def _check_quota(connection: Connection, owner: str, usual: int) -> None:
    """Raises QuotaReached; the owner's own quota goes before the usual one."""
    held, own = connection.rows(_QUOTA, (owner,))[0]
    quota = usual if own is None else int(own)
    if held > quota:
        raise QuotaReached(
            f"owner key {owner} holds {held - 1} registrations, and its quota is"
            f" {quota}"
        )
