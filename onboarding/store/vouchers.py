"""Vouchers: the bytes that say whose a device is, and what replaced them."""

from collections.abc import Iterable, Mapping

from onboarding.store import arrivals, ownership, tasks, voucher_list, voucher_rows
from onboarding.store.arrivals import Added, Arrival
from onboarding.store.bindings import BindingRecord
from onboarding.store.database import Database
from onboarding.store.direct import Connection, Sql
from onboarding.store.errors import DuplicateVoucher, NotFound
from onboarding.store.events import Event, append
from onboarding.store.key_limits import UNLIMITED, Limits
from onboarding.store.pages import Page
from onboarding.store.seen import Seen
from onboarding.store.voucher_list import NewestVoucher, VoucherSummary
from onboarding.store.voucher_rows import VoucherRecord

_UNCONFIRMED = Sql(
    "SELECT 1 FROM voucher_history WHERE replaced_by = ? AND confirmed = 0 LIMIT 1"
)
_CONFIRM = Sql(
    "UPDATE voucher_history SET confirmed = 1 WHERE replaced_by = ? AND confirmed = 0"
)
_PASSPORT = Sql("UPDATE vouchers SET passport = ? WHERE guid = ?")
_LOCK = Sql("SELECT 1 FROM vouchers WHERE guid = ?", " FOR UPDATE")
_DELETE = Sql("DELETE FROM vouchers WHERE guid = ?")
_FORGET = Sql("DELETE FROM devices WHERE guid = ? AND owned_at IS NULL")
_RETIRE = Sql("UPDATE devices SET retired_at = ? WHERE guid = ?")


class VoucherStore:
    """Vouchers by GUID; each change is one durable commit with its event."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, record: VoucherRecord, actor: str, *, bought: bool = False) -> Added:
        """Store a voucher, or the longer chain of one that is stored.

        The very same chain again changes nothing, its passport included. A
        retired device starts as imported when its voucher comes back: after it was
        deleted, or as one that is ``bought``, which names us.

        Raises:
            DuplicateVoucher: That GUID has another voucher, a longer chain, or
                a device that got a new GUID since.
            InvalidRecord: A size is wrong.
        """
        (added,) = self.add_all((record,), actor, bought=bought)
        if isinstance(added, DuplicateVoucher):
            raise added
        return added

    def add_all(
        self,
        records: Iterable[VoucherRecord],
        actor: str,
        *,
        bought: bool = False,
        begins: str | None = None,
    ) -> tuple[Added | DuplicateVoucher, ...]:
        """As ``add`` for each, in one durable commit; a duplicate hinders no other.

        Args:
            begins: The kind of task that is due at once about what was stored.

        Raises:
            InvalidRecord, Conflict: None of them was stored.
        """
        found: list[Arrival] = []
        with self._database.direct.transaction() as connection:
            for record in records:
                voucher_rows.check(record)
                one = arrivals.add(connection, record, actor, bought)
                if begins is not None and one.changed:
                    subject = record.guid.hex()
                    tasks.plan(connection, begins, subject, record.added_at)
                found.append(one)
            events = [one.event for one in found if one.event is not None]
            if events:
                append(connection, *events)
        return tuple(one.outcome for one in found)

    def get(self, guid: bytes) -> VoucherRecord:
        """The voucher of that GUID, or the one its device may fall back to.

        Raises:
            NotFound: There is neither.
        """
        row = self._database.direct.one(voucher_rows.LIVE, (guid,))
        if row is not None:
            return voucher_rows.read(guid, row)
        row = self._database.direct.one(voucher_rows.SERVED, (guid,))
        if row is not None:
            return voucher_rows.read(guid, row, superseded=True)
        raise NotFound(f"there is no voucher with GUID {guid.hex()}")

    def page(
        self,
        cursor: str | None = None,
        limit: int = 100,
        key_fingerprint: str | None = None,
        serial: str | None = None,
        within: Limits = UNLIMITED,
    ) -> Page[VoucherSummary]:
        """Vouchers by GUID; see ``voucher_list.page``."""
        return voucher_list.page(
            self._database, cursor, limit, key_fingerprint, serial, within
        )

    def newest(
        self, limit: int, guid: bytes | None = None, device_info: str | None = None
    ) -> tuple[NewestVoucher, ...]:
        """Vouchers, the newest first; see ``voucher_list.newest``."""
        return voucher_list.newest(self._database, limit, guid, device_info)

    def delete(
        self, guid: bytes, actor: str, at: int, seen: Seen[VoucherRecord] | None = None
    ) -> None:
        """Drop a voucher; an owned device stays, as retired.

        Raises:
            NotFound: There is no such voucher.
            Conflict: It is not as it was seen.
        """
        with self._database.direct.transaction() as connection:
            if seen is not None and connection.rows(_LOCK, (guid,)):
                (row,) = connection.rows(voucher_rows.LIVE, (guid,))
                seen.require(voucher_rows.read(guid, row))
            drop(connection, guid, at)
            append(connection, Event("voucher.deleted", actor, at, guid))

    def set_passport(self, guid: bytes, passport: bytes, actor: str, at: int) -> None:
        """Lay a passport beside its voucher.

        Raises:
            NotFound: There is no such voucher.
        """
        with self._database.direct.transaction() as connection:
            if connection.count(_PASSPORT, (passport, guid)) == 0:
                raise NotFound(f"there is no voucher with GUID {guid.hex()}")
            append(connection, Event("passport.stored", actor, at, guid))

    def take_ownership(
        self,
        old_guid: bytes,
        new_voucher: VoucherRecord | None,
        devmod: bytes,
        results: bytes,
        at: int,
        *,
        run_id: bytes,
        binding: BindingRecord | None = None,
        also: tuple[Event, ...] = (),
        ends: tuple[str, str] | None = None,
        uploads: Mapping[int, bytes] | None = None,
        credential: str | None = None,
        transcript: bytes | None = None,
    ) -> bool:
        """Commit TO2: one durable transaction, the same again changes nothing.

        Args:
            old_guid: The GUID the device came with.
            new_voucher: The replacement, under a GUID of its own; None when the
                credential is reused.
            devmod: What the device said of itself, CBOR.
            results: What its modules reported, CBOR.
            at: Seconds since 1970.
            run_id: Names the run, so that a repeated Done is known as such.
            binding: The TPM it was bound to, if it was; takes the new GUID.
            also: Further events of this run, logged in the same commit.
            ends: Kind and subject of the task that is pointless from now on.
            uploads: Files that the device gave, by their module's place in ``results``.
            credential: What became of the device's credential, if the voucher does
                not tell: a device that cannot take a new one keeps the old.
            transcript: The digest over the run's messages, logged as its evidence.

        Returns:
            False when this run had been committed before.

        Raises:
            NotFound: We know no device or no voucher of ``old_guid``.
            InvalidRecord: The replacement keeps the old GUID.
            EkInUse: The TPM is bound to another live device.
            Conflict: The device was sold or scrapped, or its owner key was blocked.
        """
        said = credential or ("reused" if new_voucher is None else "replaced")
        taking = ownership.Taking(
            old_guid,
            new_voucher,
            devmod,
            results,
            at,
            run_id,
            binding,
            said,
            also,
            ends,
            uploads or {},
            transcript,
        )
        with self._database.direct.transaction() as connection:
            return ownership.take(connection, taking)

    def confirm(self, guid: bytes) -> bool:
        """The credential of ``guid`` was seen to work: stop serving older ones.

        Returns:
            Whether there was an older one still served.
        """
        # Nearly always there is none: a look waits for no writer.
        if self._database.direct.one(_UNCONFIRMED, (guid,)) is None:
            return False
        return self._database.direct.count(_CONFIRM, (guid,)) > 0


def drop(connection: Connection, guid: bytes, at: int) -> None:
    """Take a voucher away, in the open transaction; an owned device is retired.

    Raises:
        NotFound: There is no such voucher.
    """
    if connection.count(_DELETE, (guid,)) == 0:
        raise NotFound(f"there is no voucher with GUID {guid.hex()}")
    connection.count(_CONFIRM, (guid,))
    if connection.count(_FORGET, (guid,)) == 0:
        connection.count(_RETIRE, (at, guid))
