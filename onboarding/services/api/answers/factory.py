"""Answers of a factory: lines, stations, what was made, keys of devices."""

from typing_extensions import TypedDict

from onboarding.services.api.answers.kinds import Digest, Document, Etag, Guid, Seconds


class LineOut(TypedDict):
    """A production line without its stations."""

    name: str
    version: int
    require_key: bool
    networks: list[str]
    directives: list[Document] | None
    models: list[Document]
    device_ca: str | None
    manufacturer_key: str | None
    same_serial: str
    updated_at: Seconds
    updated_by: str


class StationOut(TypedDict):
    """A station, without its key."""

    id: str
    name: str
    created_at: Seconds
    created_by: str
    revoked_at: Seconds | None
    etag: Etag


class LineWholeOut(LineOut):
    """A production line and its stations."""

    stations: list[StationOut]


class NewStationOut(TypedDict):
    """A station that was just hired; ``key`` is shown here only."""

    id: str
    line: str
    name: str
    key: str


class MadeOut(TypedDict):
    """One finished DI."""

    guid: Guid
    serial: str
    line: str
    station: str | None
    device_key_digest: Digest
    made_at: Seconds
    superseded_by: Guid | None
    alarm: str | None
    settled_at: Seconds | None


class SettledOut(TypedDict):
    """How many devices under a serial number are as they should be."""

    serial: str
    settled: int


class DeviceKeyOut(TypedDict):
    """A device's key that was laid down, and the GUID it was used for."""

    name: str
    fingerprint: Digest
    created_at: Seconds
    created_by: str
    used_by: Guid | None
    used_at: Seconds | None
    etag: Etag


class StoredKeysOut(TypedDict):
    """How many keys were laid down."""

    stored: int


class ChainOut(TypedDict):
    """How many certificates a device CA's chain has now."""

    name: str
    certificates: int
