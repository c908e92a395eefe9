"""The durable commit at the end of DI, and what the factory knows of a serial number.

A serial number stands for one device. The same device made anew (it signed with the
same key) takes the place of its voucher, as long as nobody was given that one; any
other device of the same serial number is an alarm, or is refused.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum, unique

from onboarding.store import arrivals, device_keys, voucher_rows, vouchers
from onboarding.store.direct import Connection, Direct, Sql
from onboarding.store.errors import Conflict, SerialTaken
from onboarding.store.events import Event, append
from onboarding.store.voucher_rows import VoucherRecord

RIVALS = 16  # looked at, the newest

_KNOWN = Sql("SELECT header_digest FROM made_devices WHERE guid = ?")
_INSERT = Sql(
    "INSERT INTO made_devices (guid, serial, line, station, device_key, "
    "header_digest, opened_at, made_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
# A device that was forgotten, superseded or settled is no rival any more.
_RIVALS = Sql(
    "SELECT m.guid, m.line, m.device_key, m.opened_at, "
    "(SELECT COUNT(*) FROM vouchers v JOIN devices d ON d.guid = v.guid "
    "WHERE v.guid = m.guid AND v.entry_digests = ? AND d.owned_at IS NULL) "
    "FROM made_devices m WHERE m.serial = ? AND m.guid <> ? "
    "AND m.superseded_by IS NULL AND m.settled_at IS NULL "
    "AND EXISTS (SELECT 1 FROM device_guids g WHERE g.guid = m.guid) "
    "ORDER BY m.made_at DESC LIMIT 16"
)
_SUPERSEDE = Sql("UPDATE made_devices SET superseded_by = ? WHERE guid = ?")
_ALARM = Sql("UPDATE made_devices SET alarm = ? WHERE guid = ?")


@unique
class SameSerial(StrEnum):
    """What becomes of another device with a serial number that is taken."""

    ALARM = "alarm"
    REFUSE = "refuse"
    SUPERSEDE = "supersede"  # of an unsold one: the line is trusted to know


@unique
class Alarm(StrEnum):
    """Why a serial number needs a human's look; the gravest of several is kept."""

    ANOTHER_KEY = "another-key"
    HANDED_ON = "handed-on"
    ANOTHER_LINE = "another-line"


@dataclass(frozen=True, slots=True)
class Making:
    """How a device was made.

    ``device_key`` is SHA-256 of its SubjectPublicKeyInfo, ``opened_at`` when its run
    of DI began. ``known_as`` names the known key that it used up, None if it signed
    with its own.
    """

    line: str
    station: str
    device_key: bytes
    opened_at: int
    known_as: str | None
    same_serial: Callable[[], SameSerial]  # asked where it matters, which is seldom


@dataclass(frozen=True, slots=True)
class Rival:
    """Another device of the same serial number; ``unsold`` if nobody was given it."""

    guid: bytes
    line: str
    device_key: bytes
    opened_at: int
    unsold: bool


def rivals(
    connection: Connection | Direct, serial: str, guid: bytes
) -> tuple[Rival, ...]:
    """Return the newest other devices that stand under a serial number."""
    if not serial:
        return ()
    rows = connection.rows(_RIVALS, (b"", serial, guid))
    return tuple(
        Rival(guid, line, key, opened, bool(unsold))
        for guid, line, key, opened, unsold in rows
    )


def make(
    connection: Connection, record: VoucherRecord, making: Making, actor: str
) -> None:
    """Store a new voucher; the very same again changes nothing.

    Raises:
        SerialTaken: The line refuses another device of that serial number.
        Conflict: Another voucher has that GUID, or the device was made anew since,
            or its known key is used up.
    """
    voucher_rows.check(record)
    known = connection.rows(_KNOWN, (record.guid,))
    if known:
        if known[0][0] == record.header_digest:
            return
        raise Conflict("another voucher of this run is stored")
    if not arrivals.insert_new(connection, record):
        raise Conflict("another voucher has that GUID")
    if making.known_as is not None:
        device_keys.use(connection, making.known_as, record.guid, record.added_at)
    _insert(connection, record, making)
    where = {"line": making.line, "station": making.station}
    append(connection, arrivals.stored_event(record, actor, where))
    # Asked after an event was logged: the log's head is a lock that lets one writer
    # in at a time, so of two that bring the same serial the second sees the first.
    found = rivals(connection, record.serial, record.guid)
    if found:
        append(connection, *_settle(connection, record, making, found, actor))


def _insert(connection: Connection, record: VoucherRecord, making: Making) -> None:
    values = (
        record.guid,
        record.serial,
        making.line,
        making.station,
        making.device_key,
        record.header_digest,
        making.opened_at,
        record.added_at,
    )
    connection.count(_INSERT, values)


def _settle(
    connection: Connection,
    record: VoucherRecord,
    making: Making,
    found: Sequence[Rival],
    actor: str,
) -> list[Event]:
    """Supersede what this device replaces; raise the alarm over the rest."""
    same_serial = making.same_serial()
    if same_serial is SameSerial.REFUSE:
        refuse_taken(record.serial, making.device_key, found)
    events, alarms, others = [], [], []
    for one in found:
        if _is_same(one, making) and one.opened_at > making.opened_at:
            raise Conflict("the device was initialised again since this run began")
        trusted = same_serial is SameSerial.SUPERSEDE and one.unsold
        alarm = _alarm(one, making, trusted=trusted)
        replaced = alarm in (None, Alarm.ANOTHER_LINE)
        if replaced:
            events.append(_supersede(connection, record, one, actor))
        if alarm is not None:
            alarms.append(alarm)
            others.append(one)
    if alarms:
        gravest = min(alarms, key=list(Alarm).index)
        connection.count(_ALARM, (gravest.value, record.guid))
        events.append(_alarmed(record, making, gravest, others, actor))
    return events


def refuse_taken(serial: str, device_key: bytes, found: Sequence[Rival]) -> None:
    """Raises SerialTaken if a device with another key is among ``found``."""
    taken = [one for one in found if one.device_key != device_key]
    if taken:
        raise SerialTaken(
            f"another device with serial number {serial!r} was made"
            f" ({taken[0].guid.hex()})"
        )


def _is_same(rival: Rival, making: Making) -> bool:
    """Whether the device showed that it is the one that was made before."""
    return making.known_as is None and rival.device_key == making.device_key


def _alarm(rival: Rival, making: Making, *, trusted: bool) -> Alarm | None:
    """What is wrong about the older device; None, or ANOTHER_LINE: it is replaced."""
    if not _is_same(rival, making) and not trusted:
        return Alarm.ANOTHER_KEY
    if not rival.unsold:
        return Alarm.HANDED_ON
    return Alarm.ANOTHER_LINE if rival.line != making.line else None


def _supersede(
    connection: Connection, record: VoucherRecord, old: Rival, actor: str
) -> Event:
    vouchers.drop(connection, old.guid, record.added_at)
    connection.count(_SUPERSEDE, (record.guid, old.guid))
    detail = {"serial": record.serial, "by": record.guid.hex()}
    return Event("voucher.superseded", actor, record.added_at, old.guid, None, detail)


def _alarmed(
    record: VoucherRecord,
    making: Making,
    alarm: Alarm,
    others: Sequence[Rival],
    actor: str,
) -> Event:
    detail = {
        "serial": record.serial,
        "alarm": alarm.value,
        "line": making.line,
        "others": [{"guid": one.guid.hex(), "line": one.line} for one in others],
    }
    return Event("serial.alarm", actor, record.added_at, record.guid, None, detail)
