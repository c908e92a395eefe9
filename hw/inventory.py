"""What a machine is made of: for whoever keeps a fleet, and evidence of nothing.

A device takes it with ``hw.inventory_reader``; an owner reads it as strictly as all
that comes from a peer.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from hw.errors import StructureError

MAX_DEVICES = 32  # disks, or network interfaces
MAX_TEXT = 512  # characters of one value; what is escaped takes more than one
_MAX_NUMBER = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class TpmMaker:
    """Who made a TPM: ``manufacturer`` is such as ``IFX``, ``model`` ``SLB9670``."""

    manufacturer: str
    model: str
    firmware: str  # 64 bits in hexadecimal


@dataclass(frozen=True, slots=True)
class Disk:
    """A whole disk; ``size`` in bytes."""

    name: str
    size: int
    model: str | None
    rotates: bool


@dataclass(frozen=True, slots=True)
class Nic:
    """A network interface of hardware."""

    name: str
    mac: str | None
    driver: str | None


@dataclass(frozen=True, slots=True)
class Inventory:
    """One machine; what it does not tell is None or empty."""

    model: str | None
    serial: str | None
    cpu: str | None
    cpus: int
    memory: int  # bytes
    disks: tuple[Disk, ...]
    nics: tuple[Nic, ...]
    firmware: str | None  # vendor, version, date
    uefi: bool
    secure_boot: bool | None
    tpm: TpmMaker | None

    def to_item(self) -> dict[str, object]:
        """A map of plain values, for CBOR and JSON alike."""
        return {
            "model": self.model,
            "serial": self.serial,
            "cpu": self.cpu,
            "cpus": self.cpus,
            "memory": self.memory,
            "disks": [_map_of(one) for one in self.disks],
            "nics": [_map_of(one) for one in self.nics],
            "firmware": self.firmware,
            "uefi": self.uefi,
            "secure_boot": self.secure_boot,
            "tpm": None if self.tpm is None else _map_of(self.tpm),
        }

    @classmethod
    def from_item(cls, item: object) -> Self:
        """Read what ``to_item`` gave; raises StructureError on any other shape."""
        fields = _fields(item, cls)
        tpm = fields["tpm"]
        return cls(
            _text(fields["model"], optional=True),
            _text(fields["serial"], optional=True),
            _text(fields["cpu"], optional=True),
            _number(fields["cpus"]),
            _number(fields["memory"]),
            tuple(_disk(one) for one in _list(fields["disks"])),
            tuple(_nic(one) for one in _list(fields["nics"])),
            _text(fields["firmware"], optional=True),
            _flag(fields["uefi"]) is True,
            _flag(fields["secure_boot"], optional=True),
            None if tpm is None else _maker(tpm),
        )


def _map_of(one: Disk | Nic | TpmMaker) -> dict[str, object]:
    return {name: getattr(one, name) for name in type(one).__slots__}


def _disk(item: object) -> Disk:
    fields = _fields(item, Disk)
    return Disk(
        _text(fields["name"]) or "",
        _number(fields["size"]),
        _text(fields["model"], optional=True),
        _flag(fields["rotates"]) is True,
    )


def _nic(item: object) -> Nic:
    fields = _fields(item, Nic)
    mac, driver = (_text(fields[name], optional=True) for name in ("mac", "driver"))
    return Nic(_text(fields["name"]) or "", mac, driver)


def _maker(item: object) -> TpmMaker:
    fields = _fields(item, TpmMaker)
    return TpmMaker(*(_text(fields[name]) or "" for name in TpmMaker.__slots__))


def _fields(item: object, kind: type[Any]) -> Mapping[str, object]:
    names = set(kind.__slots__)
    if not isinstance(item, Mapping) or set(item) != names:
        raise StructureError(f"inventory: not the fields of a {kind.__name__}")
    return item


def _list(item: object) -> list[object]:
    if not isinstance(item, list | tuple) or len(item) > MAX_DEVICES:
        raise StructureError(f"inventory: not a list of {MAX_DEVICES} at most")
    return list(item)


def _text(item: object, *, optional: bool = False) -> str | None:
    if item is None and optional:
        return None
    if not isinstance(item, str) or len(item) > MAX_TEXT or not item.isprintable():
        raise StructureError(
            f"inventory: not a printable text of {MAX_TEXT} characters"
        )
    return item


def _number(item: object) -> int:
    if type(item) is not int or not 0 <= item <= _MAX_NUMBER:
        raise StructureError("inventory: not a number")
    return item


def _flag(item: object, *, optional: bool = False) -> bool | None:
    if item is None and optional:
        return None
    if not isinstance(item, bool):
        raise StructureError("inventory: neither yes nor no")
    return item
