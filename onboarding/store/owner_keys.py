"""Owner keys over time: what was said of each, and what still hangs on it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum, unique

from onboarding.store.database import Database
from onboarding.store.direct import Connection, Row, Sql
from onboarding.store.errors import Conflict, InvalidRecord
from onboarding.store.events import Event, append
from onboarding.store.pages import Page, bytes_cursor, clamp

_ALL = Sql(
    "SELECT fingerprint, state, successor, reason, changed_at, changed_by "
    "FROM owner_keys ORDER BY fingerprint"
)
_ONE = Sql("SELECT state FROM owner_keys WHERE fingerprint = ?", " FOR UPDATE")
_PUT = Sql(
    "INSERT INTO owner_keys (state, successor, reason, changed_at, changed_by, "
    "fingerprint) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (fingerprint) DO UPDATE SET "
    "state = excluded.state, successor = excluded.successor, "
    "reason = excluded.reason, changed_at = excluded.changed_at, "
    "changed_by = excluded.changed_by"
)
# Begins with the keys that were ever blocked: those are few, and mostly none.
_BLOCKED = Sql(
    "SELECT 1 FROM owner_keys k WHERE k.state IN ('retired', 'revoked') AND "
    "(EXISTS (SELECT 1 FROM vouchers v WHERE v.guid IN (?, ?) "
    "AND v.key_fingerprint = k.fingerprint) "
    "OR EXISTS (SELECT 1 FROM voucher_history h WHERE h.guid = ? "
    "AND h.key_fingerprint = k.fingerprint))"
)
# Each part has an index on (key, GUID), so a page costs what it has.
_HELD = (
    "SELECT v.guid AS guid, v.serial AS serial, v.guid AS device, "
    "CASE WHEN d.retired_at IS NOT NULL THEN 'sold' "
    "WHEN d.owned_at IS NULL OR d.owner_key <> ? THEN 'waiting' "
    "ELSE 'onboarded' END AS hold FROM vouchers v "
    "LEFT JOIN devices d ON d.guid = v.guid "
    "WHERE v.key_fingerprint = ? AND v.guid > ? UNION ALL "
    "SELECT v.guid, v.serial, v.guid, "
    "CASE WHEN d.retired_at IS NULL THEN 'moving' ELSE 'sold' END "
    "FROM devices d JOIN vouchers v ON v.guid = d.guid "
    "WHERE d.owner_key = ? AND v.key_fingerprint <> ? AND d.guid > ? UNION ALL "
    "SELECT h.guid, h.serial, h.replaced_by, "
    "CASE WHEN d.retired_at IS NOT NULL THEN 'sold' "
    "WHEN h.confirmed = 0 THEN 'fallback' "
    "WHEN d.owner_key = ? THEN 'kept' ELSE 'moved' END "
    "FROM voucher_history h LEFT JOIN devices d ON d.guid = h.replaced_by "
    "WHERE h.key_fingerprint = ? AND h.guid > ?"
)
_COUNTS = Sql(f"SELECT hold, COUNT(*) FROM ({_HELD}) held GROUP BY hold")  # noqa: S608 - constants
_PAGE = Sql(f"{_HELD} ORDER BY guid LIMIT ?")


@unique
class KeyState(StrEnum):
    """What may be done with an owner key."""

    ACTIVE = "active"
    RETIRING = "retiring"  # serves what it owns, hands it to its successor
    RETIRED = "retired"  # owned nothing any more, or was given up
    REVOKED = "revoked"  # lost or stolen: signs nothing

    @property
    def usable(self) -> bool:
        """Whether the key may sign anything."""
        return self in (KeyState.ACTIVE, KeyState.RETIRING)


@unique
class Hold(StrEnum):
    """How one voucher hangs on a key; the first four cannot do without it."""

    WAITING = "waiting"  # ends in the key; its device learns it in its next TO2
    ONBOARDED = "onboarded"  # ends in the key, and the device knows it
    MOVING = "moving"  # ends in another key, but the device still knows this one
    FALLBACK = "fallback"  # replaced, and its device may come back with it
    MOVED = "moved"  # replaced: the device knows another key
    KEPT = "kept"  # replaced by another voucher of the same key
    SOLD = "sold"  # its device was sold or scrapped

    @property
    def needed(self) -> bool:
        """Whether something is lost with the key."""
        return self in (Hold.WAITING, Hold.ONBOARDED, Hold.MOVING, Hold.FALLBACK)


@dataclass(frozen=True, slots=True)
class KeyStanding:
    """What was said of a key last, and by whom; ``successor`` takes over from it.

    Keys go by the SHA-256 of their SubjectPublicKeyInfo, 64 hexadecimal digits.
    """

    fingerprint: str
    state: KeyState = KeyState.ACTIVE
    successor: str | None = None
    reason: str = ""
    changed_at: int = 0
    changed_by: str = ""


@dataclass(frozen=True, slots=True)
class HeldVoucher:
    """A voucher that hangs on a key; ``device`` is the GUID its device has now."""

    guid: bytes
    serial: str
    device: bytes
    hold: Hold


class KeyInUse(Conflict):
    """The key cannot be given up: ``holdings`` counts what hangs on it."""

    def __init__(self, holdings: Mapping[Hold, int]) -> None:
        needed = sum(count for hold, count in holdings.items() if hold.needed)
        super().__init__(f"{needed} vouchers or devices still need this key")
        self.holdings = dict(holdings)


class OwnerKeyStore:
    """Keys by fingerprint; each change is one commit with its event."""

    def __init__(self, database: Database) -> None:
        self._direct = database.direct

    def all(self) -> tuple[KeyStanding, ...]:
        """Every key of which something was said."""
        return tuple(_standing(row) for row in self._direct.rows(_ALL))

    def put(
        self, new: KeyStanding, seen: KeyState, *, owning_nothing: bool = False
    ) -> None:
        """Say something of a key that was in state ``seen``.

        Args:
            owning_nothing: Only if no voucher and no device needs the key.

        Raises:
            Conflict: Its state is another by now.
            KeyInUse: It is needed.
            InvalidRecord: The fingerprint is none.
        """
        if len(new.fingerprint) != 64:
            raise InvalidRecord("a key's fingerprint has 64 hexadecimal digits")
        # To count a million takes seconds: a stolen key is blocked first.
        hasty = owning_nothing or new.state is KeyState.REVOKED
        told = None if hasty else self.holdings(new.fingerprint)
        with self._direct.transaction() as connection:
            rows = connection.rows(_ONE, (new.fingerprint,))
            if (KeyState(rows[0][0]) if rows else KeyState.ACTIVE) is not seen:
                raise Conflict("the key's state was changed meanwhile")
            if owning_nothing:
                _require_nothing(connection, new.fingerprint)
            _write(connection, new)
            append(connection, _event(new, seen, told))

    def holdings(self, fingerprint: str) -> dict[Hold, int]:
        """Count what hangs on a key; what there is none of is left out."""
        return _counts(self._direct.rows(_COUNTS, _held(fingerprint, b"")))

    def held(
        self, fingerprint: str, cursor: str | None = None, limit: int = 100
    ) -> Page[HeldVoucher]:
        """What hangs on a key, by GUID."""
        size = clamp(limit)
        after = b"" if cursor is None else bytes_cursor(cursor)
        rows = self._direct.rows(_PAGE, (*_held(fingerprint, after), size + 1))
        found = tuple(
            HeldVoucher(guid, serial, device, Hold(hold))
            for guid, serial, device, hold in rows[:size]
        )
        return Page(found, found[-1].guid.hex() if len(rows) > size else None)


def require_usable(connection: Connection, old_guid: bytes, target: bytes) -> None:
    """Refuse, inside the open transaction, what a blocked key would sign for.

    Raises:
        Conflict: The owner key of one of the vouchers is retired or revoked.
    """
    if connection.rows(_BLOCKED, (old_guid, target, old_guid)):
        raise Conflict("the owner key of this device was blocked meanwhile")


def _require_nothing(connection: Connection, fingerprint: str) -> None:
    holdings = _counts(connection.rows(_COUNTS, _held(fingerprint, b"")))
    if any(hold.needed for hold in holdings):
        raise KeyInUse(holdings)


def _held(key: str, after: bytes) -> tuple[str | bytes, ...]:
    return (key, key, after) * 3


def _counts(rows: Sequence[Row]) -> dict[Hold, int]:
    return {Hold(name): count for name, count in rows}


def _standing(row: Row) -> KeyStanding:
    fingerprint, state, successor, reason, at, by = row
    return KeyStanding(fingerprint, KeyState(state), successor, reason, at, by)


def _write(connection: Connection, new: KeyStanding) -> None:
    said = (new.state.value, new.successor, new.reason)
    connection.count(_PUT, (*said, new.changed_at, new.changed_by, new.fingerprint))


def _event(
    new: KeyStanding, seen: KeyState, holdings: Mapping[Hold, int] | None
) -> Event:
    detail: dict[str, object] = {
        "key": new.fingerprint,
        "was": seen.value,
        "reason": new.reason,
        "successor": new.successor,
    }
    if holdings is not None:
        detail["needed_by"] = {h.value: n for h, n in holdings.items() if h.needed}
    cause = f"owner_key.{new.state.value}"
    key = bytes.fromhex(new.fingerprint)
    return Event(cause, new.changed_by, new.changed_at, None, key, detail)
