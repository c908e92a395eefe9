"""Bindings: which TPM a device was shown to be, and how much that is worth."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlmodel import col, select

from onboarding.store import boot_logs, ima_lists
from onboarding.store.database import Database
from onboarding.store.device_names import by_guid
from onboarding.store.device_tables import DeviceRow
from onboarding.store.direct import Connection, Row, Sql
from onboarding.store.errors import EkInUse, InvalidRecord, NotFound
from onboarding.store.events import Event, append
from onboarding.store.gate_tables import BindingRow

_INSERT = by_guid(
    "INSERT INTO bindings (device, ek_public, ek_certificate, ek_digest, ek_class, "
    "ek_reasons, ak_public, ak_alg, channel, klass, passport_digest, bound_at, "
    "ek_notes, ek_trust_digest, identity) "
    "VALUES (@device, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
COLUMNS = (
    "b.ek_public, b.ek_certificate, b.ek_digest, b.ek_class, b.ek_reasons, "
    "b.ak_public, b.ak_alg, b.channel, b.klass, b.passport_digest, b.bound_at, "
    "b.ek_notes, b.ek_trust_digest, b.identity"
)
_GET = Sql(
    f"SELECT d.guid, {COLUMNS} FROM devices d "  # noqa: S608 - our own names
    "JOIN bindings b ON b.device = d.device WHERE d.guid = ?"
)
_DROP = by_guid("DELETE FROM bindings WHERE device = @device")
_ENROLLED = Sql(
    "SELECT d.guid FROM bindings b JOIN devices d ON d.device = b.device "
    "WHERE b.channel = ? AND d.enrolled_at IS NOT NULL AND d.retired_at IS NULL "
    "ORDER BY d.guid"
)
_WATCHED = Sql(
    "SELECT d.guid, b.keylime_mark FROM bindings b "
    "JOIN devices d ON d.device = b.device "
    "WHERE b.channel = ? AND d.enrolled_at IS NOT NULL AND d.retired_at IS NULL"
)
_MARK = by_guid(
    "UPDATE bindings SET keylime_mark = ? WHERE device = @device AND channel = ?"
)
_OTHERS = Sql(
    "SELECT d.guid FROM bindings b JOIN devices d ON d.device = b.device "
    "WHERE b.ek_digest = ? AND d.retired_at IS NULL AND b.device "
    "NOT IN (SELECT device FROM device_guids WHERE guid = ?) ORDER BY d.guid"
)
_BOUND = Sql(
    "UPDATE devices SET bound_at = ?, enrolled_at = NULL, appraised_at = NULL, "
    "appraisal_passed = 0, lease_expires = NULL WHERE guid = ? AND owned_at IS NOT NULL"
)


@dataclass(frozen=True, slots=True)
class BindingRecord:
    """EK, AK and device key of one TPM, with the verdict on the EK.

    ``ek_public`` and ``ak_public`` are TPM2B_PUBLIC bytes, ``ek_certificate``
    DER; ``ek_digest`` is the SHA-256 that the passport names; ``channel`` says
    how evidence will come; ``klass`` is the binding's class. ``ek_notes`` are pairs of
    code and sentence; ``ek_trust_digest`` names the trust store that was asked.
    ``identity`` is a BoundIdentity, encoded, of a device that has one.
    """

    guid: bytes
    ek_public: bytes
    ek_certificate: bytes | None
    ek_digest: bytes
    ek_class: str
    ek_reasons: tuple[str, ...]
    ak_public: bytes
    ak_alg: str
    channel: str
    klass: str
    passport_digest: bytes | None
    bound_at: int
    ek_notes: tuple[tuple[str, str], ...] = ()
    ek_trust_digest: bytes | None = None
    identity: bytes | None = None


def of_row(row: Row) -> BindingRecord:
    """The record that a device's GUID and ``COLUMNS`` hold."""
    values = [*row]
    values[5] = tuple(json.loads(row[5]))
    values[12] = tuple(map(tuple, json.loads(row[12] or "[]")))
    return BindingRecord(*values)


def write(connection: Connection, record: BindingRecord) -> None:
    """Insert the binding; its device must be there, an older one gone."""
    if len(record.ek_digest) != 32:
        raise InvalidRecord("an EK's digest has 32 bytes")
    values = (
        record.guid,
        record.ek_public,
        record.ek_certificate,
        record.ek_digest,
        record.ek_class,
        json.dumps(record.ek_reasons),
        record.ak_public,
        record.ak_alg,
        record.channel,
        record.klass,
        record.passport_digest,
        record.bound_at,
        json.dumps(record.ek_notes),
        record.ek_trust_digest,
        record.identity,
    )
    connection.count(_INSERT, values)


def drop(connection: Connection, guid: bytes) -> None:
    """Remove a device's binding and the logs that its TPM vouched for, if any."""
    connection.count(_DROP, (guid,))
    ima_lists.forget(connection, guid)
    boot_logs.forget(connection, guid)


def others(connection: Connection, ek_digest: bytes, guid: bytes) -> tuple[bytes, ...]:
    """Live devices other than the one ``guid`` names that hold the same EK.

    ``guid`` may be any GUID the device ever had.
    """
    rows = connection.rows(_OTHERS, (ek_digest, guid))
    return tuple(row[0] for row in rows)


def require_own_ek(connection: Connection, ek_digest: bytes, guid: bytes) -> None:
    """Refuse a TPM that speaks for another live device.

    Ask after an event was logged: the log's head is a lock that lets one writer in
    at a time, so of two that bring the same EK the second sees the first.

    Raises:
        EkInUse: Names the other devices.
    """
    found = others(connection, ek_digest, guid)
    if found:
        raise EkInUse(found)


def event(record: BindingRecord, guid: bytes, actor: str, at: int) -> Event:
    """The audit event of a binding."""
    detail = {
        "class": record.klass,
        "ek_class": record.ek_class,
        "ek_reasons": list(record.ek_reasons),
        "ek_notes": [code for code, _ in record.ek_notes],
        "channel": record.channel,
    }
    if record.ek_trust_digest is not None:
        detail["ek_trust"] = record.ek_trust_digest.hex()
    return Event("device.bound", actor, at, guid, record.ek_digest, detail)


class BindingStore:
    """The binding each device has now; older ones are in the audit log."""

    def __init__(self, database: Database) -> None:
        self._direct = database.direct
        self._database = database

    def put(self, record: BindingRecord, actor: str) -> None:
        """Bind an owned device (again); it has to be enrolled and appraised anew.

        Raises:
            NotFound: There is no owned device of that GUID.
            EkInUse: The TPM is bound to another live device.
        """
        with self._direct.transaction() as connection:
            if connection.count(_BOUND, (record.bound_at, record.guid)) == 0:
                raise NotFound(f"there is no owned device {record.guid.hex()}")
            drop(connection, record.guid)
            write(connection, record)
            append(connection, event(record, record.guid, actor, record.bound_at))
            require_own_ek(connection, record.ek_digest, record.guid)

    def get(self, guid: bytes) -> BindingRecord:
        """The binding of the device whose GUID is ``guid`` now.

        Raises:
            NotFound: It has none.
        """
        row = self._direct.one(_GET, (guid,))
        if row is None:
            raise NotFound(f"device {guid.hex()} is not bound to a TPM")
        return of_row(row)

    def classes(self, guids: Sequence[bytes]) -> Mapping[bytes, str]:
        """The class of each binding that these devices, by their GUID now, have."""
        query = (
            select(DeviceRow.guid, BindingRow.klass)
            .join(BindingRow, col(DeviceRow.device) == col(BindingRow.device))
            .where(col(DeviceRow.guid).in_(guids))
        )
        with self._database.session() as session:
            return dict(session.exec(query).all())

    def enrolled_on(self, channel: str) -> tuple[bytes, ...]:
        """GUIDs of the devices that are expected to attest over a channel."""
        return tuple(guid for (guid,) in self._direct.rows(_ENROLLED, (channel,)))

    def enrolled_among(
        self, guids: Sequence[bytes], channels: Sequence[str]
    ) -> tuple[bytes, ...]:
        """Those of some devices that are expected to attest over such a channel."""
        query = (
            select(DeviceRow.guid)
            .join(BindingRow, col(DeviceRow.device) == col(BindingRow.device))
            .where(
                col(DeviceRow.guid).in_(guids),
                col(BindingRow.channel).in_(channels),
                col(DeviceRow.enrolled_at).is_not(None),
            )
            .order_by(col(DeviceRow.guid))
        )
        with self._database.session() as session:
            return tuple(session.exec(query))

    def watched(self, channel: str) -> tuple[tuple[bytes, bytes | None], ...]:
        """The same GUIDs in any order, each with the mark last set; None: none yet."""
        return tuple(
            (row[0], row[1]) for row in self._direct.rows(_WATCHED, (channel,))
        )

    def mark(self, guid: bytes, channel: str, mark: bytes) -> None:
        """Note what Keylime had heard of a device when it was looked at.

        Forgotten when the device is bound again; nothing happens if it is on another
        channel by now.
        """
        self._direct.count(_MARK, (mark, guid, channel))

    def others_with_ek(self, ek_digest: bytes, guid: bytes) -> tuple[bytes, ...]:
        """Live devices other than the one ``guid`` names that hold the same EK.

        ``guid`` may be any GUID the device ever had. More than none means that
        one TPM speaks for two devices.
        """
        with self._direct.transaction() as connection:
            return others(connection, ek_digest, guid)
