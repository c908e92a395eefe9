"""Vouchers of one device through its credentials, and how one is passed on.

Each new credential has a GUID and a voucher of its own. The replaced ones are kept:
served as long as the device may still come back with them, then for the record.
"""

from dataclasses import dataclass
from enum import StrEnum, unique

from onboarding.store import voucher_rows
from onboarding.store.chains import DIGEST_SIZE, join
from onboarding.store.database import Database
from onboarding.store.direct import Connection, Row, Sql
from onboarding.store.errors import Conflict, NotFound
from onboarding.store.events import Event, append
from onboarding.store.seen import Seen
from onboarding.store.voucher_rows import VoucherRecord

_LINE = Sql(
    "SELECT guid, key_fingerprint, length(entry_digests), added_at, NULL, NULL, 0 "
    "FROM vouchers WHERE guid IN (SELECT g.guid FROM device_guids g "
    "JOIN device_guids h ON g.device = h.device WHERE h.guid = ?) UNION ALL "
    "SELECT guid, key_fingerprint, length(entry_digests), added_at, replaced_by, "
    "used_at, confirmed FROM voucher_history WHERE guid IN (SELECT g.guid "
    "FROM device_guids g JOIN device_guids h ON g.device = h.device WHERE h.guid = ?)"
)
_SERVE = Sql(
    "UPDATE voucher_history SET confirmed = 0, used_at = ? "
    "WHERE guid = ? AND confirmed = 1"
)
_PLAN = Sql("UPDATE vouchers SET plan = ? WHERE guid = ?")
_PLAN_SEEN = Sql(
    "UPDATE vouchers SET plan = ? WHERE guid = ? AND COALESCE(plan, ?) = ?"
)
_PASS_ON = Sql(
    "UPDATE vouchers SET cbor = ?, entry_digests = ?, key_fingerprint = ?, "
    "plan = NULL WHERE guid = ? AND header_digest = ? AND entry_digests = ?"
)
_CONFIRM = Sql("UPDATE voucher_history SET confirmed = 1 WHERE replaced_by = ?")
_RETIRE = Sql("UPDATE devices SET retired_at = ? WHERE guid = ?")
_END_TASK = Sql("DELETE FROM tasks WHERE kind = ? AND subject = ?")


@unique
class Standing(StrEnum):
    """What a voucher of a device still is."""

    LIVE = "live"  # of the credential that the device has
    SERVED = "served"  # replaced, but the device may come back with it
    KEPT = "kept"  # replaced, and no longer served


@dataclass(frozen=True, slots=True)
class Ancestor:
    """One voucher of a device; times in seconds since 1970."""

    guid: bytes
    standing: Standing
    key_fingerprint: str
    entries: int
    added_at: int
    replaced_by: bytes | None
    used_at: int | None


class LineageStore:
    """A device's vouchers, by any GUID that it ever had."""

    def __init__(self, database: Database) -> None:
        self._direct = database.direct

    def of(self, guid: bytes) -> tuple[Ancestor, ...]:
        """Every voucher that is kept of the device, the live one first.

        Raises:
            NotFound: There is none.
        """
        rows = self._direct.rows(_LINE, (guid, guid))
        if not rows:
            raise NotFound(f"there is no voucher with GUID {guid.hex()}")
        found = [_ancestor(row) for row in rows]
        return tuple(sorted(found, key=lambda one: -(one.used_at or 1 << 62)))

    def get(self, guid: bytes) -> VoucherRecord:
        """The voucher of exactly that GUID, whatever it still is.

        Raises:
            NotFound: It is not kept.
        """
        row = self._direct.one(voucher_rows.LIVE, (guid,))
        if row is not None:
            return voucher_rows.read(guid, row)
        row = self._direct.one(voucher_rows.REPLACED, (guid,))
        if row is None:
            raise NotFound(f"there is no voucher with GUID {guid.hex()}")
        return voucher_rows.read(guid, row, superseded=True)

    def recover(self, guid: bytes, actor: str, at: int) -> bool:
        """Serve a replaced voucher again: its device has that credential after all.

        Returns:
            False when it is served already.

        Raises:
            NotFound: No replaced voucher of that GUID is kept.
        """
        with self._direct.transaction() as connection:
            if not connection.rows(voucher_rows.REPLACED, (guid,)):
                raise NotFound(f"no replaced voucher {guid.hex()} is kept")
            if connection.count(_SERVE, (at, guid)) == 0:
                return False
            append(connection, Event("voucher.recovered", actor, at, guid))
            return True

    def plan(
        self,
        guid: bytes,
        plan: bytes | None,
        actor: str,
        at: int,
        seen: Seen[bytes] | None = None,
    ) -> None:
        """Say what the next TO2 makes of the credential; None is the usual.

        Raises:
            Conflict: What was said of it before is not as it was seen.
            NotFound: There is no live voucher of that GUID.
        """
        with self._direct.transaction() as connection:
            if seen is not None:
                # An empty one is never stored, so it can stand for none.
                same = (plan, guid, b"", seen.value or b"")
                if connection.count(_PLAN_SEEN, same) == 0:
                    raise Conflict("the credential's plan was changed meanwhile")
            elif connection.count(_PLAN, (plan, guid)) == 0:
                raise NotFound(f"there is no live voucher with GUID {guid.hex()}")
            detail = {"plan": None if plan is None else plan.hex()}
            append(connection, Event("voucher.planned", actor, at, guid, None, detail))

    def pass_on(self, longer: VoucherRecord, actor: str, ends: tuple[str, str]) -> None:
        """Store a voucher with its buyer's entry; the device is not ours any more.

        In one commit it is retired, its older credentials are served no longer, and
        the task of the kind and subject that ``ends`` names ends.

        Raises:
            Conflict: The voucher is not the one that the entry was added to.
        """
        voucher_rows.check(longer)
        with self._direct.transaction() as connection:
            _extend(connection, longer)
            connection.count(_CONFIRM, (longer.guid,))
            connection.count(_RETIRE, (longer.added_at, longer.guid))
            connection.count(_END_TASK, ends)
            detail = {"serial": longer.serial, "buyer": longer.key_fingerprint}
            at, seen = longer.added_at, longer.header_digest
            sold = Event("voucher.resold", actor, at, longer.guid, seen, detail)
            append(connection, sold)


def _extend(connection: Connection, longer: VoucherRecord) -> None:
    before = join(longer.entry_digests[:-1])
    values = (longer.cbor, join(longer.entry_digests), longer.key_fingerprint)
    key = (longer.guid, longer.header_digest, before)
    if connection.count(_PASS_ON, (*values, *key)) == 0:
        raise Conflict("the voucher was changed meanwhile")


def _ancestor(row: Row) -> Ancestor:
    guid, fingerprint, size, added_at, replaced_by, used_at, confirmed = row
    standing = Standing.LIVE
    if replaced_by is not None:
        standing = Standing.KEPT if confirmed else Standing.SERVED
    entries = size // DIGEST_SIZE
    return Ancestor(
        guid, standing, fingerprint, entries, added_at, replaced_by, used_at
    )
