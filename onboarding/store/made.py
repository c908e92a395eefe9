"""What the factory made: the list, and the alarms over serial numbers."""

from dataclasses import dataclass

from sqlmodel import and_, col, or_, select

from onboarding.store import making
from onboarding.store.database import Database
from onboarding.store.direct import Sql
from onboarding.store.errors import NotFound
from onboarding.store.events import Event, append
from onboarding.store.factory_tables import MadeRow
from onboarding.store.making import Making, Rival
from onboarding.store.pages import Page, bytes_cursor, clamp, time_cursor
from onboarding.store.voucher_rows import VoucherRecord

_GET = Sql(
    "SELECT guid, serial, line, station, device_key, opened_at, made_at, "
    "superseded_by, alarm, settled_at FROM made_devices WHERE guid = ?"
)
_ALARMS = Sql(
    "SELECT COUNT(*) FROM made_devices WHERE alarm IS NOT NULL AND settled_at IS NULL"
)
_UNSOLD = Sql(
    "SELECT m.guid FROM made_devices m JOIN vouchers v ON v.guid = m.guid "
    "WHERE m.guid > ? AND (v.entry_digests = ? OR v.key_fingerprint = ?) "
    "AND (m.line = ? OR CAST(? AS TEXT) IS NULL) ORDER BY m.guid LIMIT ?"
)
_SETTLE = Sql(
    "UPDATE made_devices SET settled_at = ? WHERE serial = ? AND settled_at IS NULL"
)


@dataclass(frozen=True, slots=True)
class MadeDevice:
    """One finished DI.

    ``device_key`` is SHA-256 of the device's SubjectPublicKeyInfo. ``superseded_by``
    is the GUID that the same device was given later, ``alarm`` what was wrong with
    its serial number, ``settled_at`` when a human said that it is not.
    """

    guid: bytes
    serial: str
    line: str
    station: str
    device_key: bytes
    opened_at: int
    made_at: int
    superseded_by: bytes | None
    alarm: str | None
    settled_at: int | None


class MadeStore:
    """Made devices, the newest first; each change is one durable commit."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def make(self, record: VoucherRecord, how: Making, actor: str) -> None:
        """Store a new device's voucher, as `making.make` tells."""
        with self._database.direct.transaction() as connection:
            making.make(connection, record, how, actor)

    def refuse_taken(self, serial: str, device_key: bytes) -> None:
        """Raises SerialTaken if a device with another key stands under ``serial``."""
        found = making.rivals(self._database.direct, serial, b"")
        making.refuse_taken(serial, device_key, found)

    def rivals(self, serial: str, guid: bytes) -> tuple[Rival, ...]:
        """Other devices that stand under the serial number of ``guid``'s."""
        return making.rivals(self._database.direct, serial, guid)

    def get(self, guid: bytes, within: tuple[str, ...] = ()) -> MadeDevice:
        """The device that was made under that GUID.

        Raises:
            NotFound: There is none; or it is of no line of ``within``.
        """
        row = self._database.direct.one(_GET, (guid,))
        found = None if row is None else MadeDevice(*row)
        if found is None or (within and found.line not in within):
            raise NotFound(f"no device was made under GUID {guid.hex()}")
        return found

    def page(
        self,
        cursor: str | None = None,
        limit: int = 100,
        serial: str | None = None,
        line: str | None = None,
        *,
        alarms: bool = False,
        within: tuple[str, ...] = (),
    ) -> Page[MadeDevice]:
        """The newest first; with ``alarms`` only those that need a look.

        With ``within`` only those of these lines.
        """
        size = clamp(limit)
        order = col(MadeRow.made_at).desc(), col(MadeRow.guid).desc()
        query = select(MadeRow).order_by(*order).limit(size + 1)
        if cursor is not None:
            at, name = time_cursor(cursor)
            guid = bytes_cursor(name)
            older = col(MadeRow.made_at) < at
            same = and_(col(MadeRow.made_at) == at, col(MadeRow.guid) < guid)
            query = query.where(or_(older, same))
        if serial is not None:
            query = query.where(col(MadeRow.serial) == serial)
        if line is not None:
            query = query.where(col(MadeRow.line) == line)
        if within:
            query = query.where(col(MadeRow.line).in_(within))
        if alarms:
            open_ = col(MadeRow.alarm).is_not(None), col(MadeRow.settled_at).is_(None)
            query = query.where(*open_)
        with self._database.session() as session:
            found = tuple(_record(row) for row in session.exec(query))
        last = found[size - 1] if len(found) > size else None
        following = None if last is None else f"{last.made_at}:{last.guid.hex()}"
        return Page(found[:size], following)

    def unsold(
        self, cursor: str | None, limit: int, line: str | None, buyer: str
    ) -> Page[bytes]:
        """GUIDs of made devices whose voucher nobody was given but this buyer.

        Args:
            line: Only of this line.
            buyer: Fingerprint of the buyer's key.
        """
        size = clamp(limit)
        after = b"" if cursor is None else bytes_cursor(cursor)
        given = (after, b"", buyer, line, line, size + 1)
        rows = self._database.direct.rows(_UNSOLD, given)
        found = tuple(bytes(row[0]) for row in rows[:size])
        return Page(found, found[-1].hex() if len(rows) > size else None)

    def alarms(self) -> int:
        """How many devices need a look."""
        row = self._database.direct.one(_ALARMS)
        return 0 if row is None else int(row[0])

    def settle(self, serial: str, actor: str, at: int) -> int:
        """Say that all devices made so far with a serial number are as they should be.

        They raise no alarm any more, now or when another is made.

        Returns:
            How many that were.

        Raises:
            NotFound: There is none that was not settled before.
        """
        with self._database.direct.transaction() as connection:
            count = connection.count(_SETTLE, (at, serial))
            if count == 0:
                raise NotFound("no device of that serial number is unsettled")
            detail = {"serial": serial, "devices": count}
            append(connection, Event("serial.settled", actor, at, detail=detail))
        return count


def _record(row: MadeRow) -> MadeDevice:
    return MadeDevice(
        row.guid,
        row.serial,
        row.line,
        row.station,
        row.device_key,
        row.opened_at,
        row.made_at,
        row.superseded_by,
        row.alarm,
        row.settled_at,
    )
