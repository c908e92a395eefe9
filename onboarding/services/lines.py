"""Production lines: what their devices are given, and who may speak for them.

DI itself asks nobody who he is. So a line asks whoever brings the message: for a
station's key in an HTTP header, and for an address, whichever the line wants. A
device that cannot send a header has its station's proxy add it.
"""

import ipaddress
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    IPvAnyNetwork,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from onboarding.protocol.errors import StationRefused
from onboarding.services.fdo_front import Arrival
from onboarding.services.rv_schema import Directives
from onboarding.store.errors import ApiKeyRefused, NotFound
from onboarding.store.lines import LineRecord, LineStore
from onboarding.store.making import SameSerial
from ownership_vouchers.errors import VoucherError
from ownership_vouchers.rendezvous import RendezvousInfo

DEFAULT = "default"  # of the messages at the root, unless the service has another
MAX_MODELS, MAX_NETWORKS = 64, 32
NAME = r"^[a-z0-9][a-z0-9-]{0,63}$"

Network = Annotated[
    IPvAnyNetwork, WithJsonSchema({"type": "string", "format": "ip-network"})
]
KeyName = Annotated[str, StringConstraints(pattern=NAME)]


class _Part(BaseModel):
    """What it does not know, it refuses."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelRule(_Part):
    """What devices are told to try whose device info fits ``model`` (``*``, ``?``)."""

    model: Annotated[str, StringConstraints(pattern=r"^[ -Z^-~]{1,64}$")]
    directives: Directives

    @model_validator(mode="after")
    def _usable(self) -> Self:
        if self.model.count("*") > 4:
            raise ValueError("a pattern has at most 4 stars")
        _built(self.directives)
        return self


class LineDocument(_Part):
    """A line as its manufacturer writes it; what is left out is the service's own.

    ``models`` are tried in order, and the first that fits counts; a device that fits
    none gets ``directives``. ``same_serial`` says what becomes of another device with
    a serial number that is taken.
    """

    require_key: Annotated[bool, Field(strict=True)] = True
    networks: Annotated[list[Network], Field(max_length=MAX_NETWORKS)] = []
    directives: Directives | None = None
    models: Annotated[list[ModelRule], Field(max_length=MAX_MODELS)] = []
    device_ca: KeyName | None = None
    manufacturer_key: KeyName | None = None
    same_serial: SameSerial = SameSerial.ALARM

    @model_validator(mode="after")
    def _usable(self) -> Self:
        if self.directives is not None:
            _built(self.directives)
        return self

    def encode(self) -> bytes:
        """Return what is stored, the same bytes for the same line."""
        document = self.model_dump(mode="json")
        return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class Line:
    """A line, read and ready for its messages."""

    name: str
    document: LineDocument
    info: RendezvousInfo | None
    models: tuple[tuple[re.Pattern[str], RendezvousInfo], ...]

    @classmethod
    def of(cls, name: str, document: LineDocument) -> Self:
        info = None if document.directives is None else _built(document.directives)
        models = tuple(
            (_pattern(one.model), _built(one.directives)) for one in document.models
        )
        return cls(name, document, info, models)

    def rv_info(self, device_info: str) -> RendezvousInfo | None:
        """What a device is told to try; None if that is the service's own."""
        for pattern, info in self.models:
            if pattern.fullmatch(device_info):
                return info
        return self.info


# Without a line of that name, messages at the root are taken from everybody.
OPEN = Line.of(DEFAULT, LineDocument(require_key=False))


@dataclass(frozen=True, slots=True)
class Admitted:
    """A line whose message came by a way that the line takes.

    ``station`` is the name of the key that was shown, empty if none was asked for.
    """

    line: Line
    station: str


class Lines:
    """The lines of one service; messages at the root are of line ``root``."""

    def __init__(self, store: LineStore, root: str) -> None:
        self._store = store
        self._root = root

    def admit(self, arrival: Arrival) -> Admitted:
        """Return the line of a message, if it came as the line wants it.

        Raises:
            StationRefused: Told alike, whatever is wrong; our log has it.
        """
        line = self._find(arrival.line or self._root)
        wanted = line.document.networks
        if wanted and not _within(arrival.address, wanted):
            raise StationRefused(f"line {line.name} takes nothing from this address")
        if not line.document.require_key:
            return Admitted(line, "")
        if arrival.key is None:
            raise StationRefused(f"line {line.name} wants its station's key")
        try:
            station = self._store.station_of(line.name, arrival.key.strip())
        except ApiKeyRefused as error:
            raise StationRefused(f"line {line.name}: {error}") from error
        return Admitted(line, station)

    def _find(self, name: str) -> Line:
        record = self._store.find(name)
        if record is not None:
            return read_line(record)
        if name == DEFAULT:
            return OPEN
        raise StationRefused(f"there is no production line {name!r}")


def read_line(record: LineRecord) -> Line:
    """Read a stored line; the same bytes are read once."""
    return _read(record.name, record.body)


def document_of(store: LineStore, name: str) -> LineDocument:
    """Return a line's settings. Raises NotFound, but not for the default line."""
    try:
        return read_line(store.get(name)).document
    except NotFound:
        if name == DEFAULT:
            return OPEN.document
        raise


@lru_cache(maxsize=64)
def _read(name: str, body: bytes) -> Line:
    return Line.of(name, LineDocument.model_validate_json(body))


def _built(directives: Sequence[dict[str, Any]]) -> RendezvousInfo:
    try:
        return RendezvousInfo.build(directives)
    except VoucherError as error:
        raise ValueError(str(error)) from error


def _pattern(model: str) -> re.Pattern[str]:
    """A model's pattern: ``*`` stands for any characters, ``?`` for one."""
    parts = {"*": ".*", "?": "."}
    return re.compile("".join(parts.get(one, re.escape(one)) for one in model))


def _within(address: str, networks: Sequence[Any]) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    found = mapped or found
    return any(found.version == one.version and found in one for one in networks)
