"""RendezvousInfo: how device and owner find each other.

Source: FDO 1.1, section 3.3.6. The bytes received are kept, because the
voucher's header, and a device that compares old with new, count every one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Self

from ownership_vouchers import cbor
from ownership_vouchers.errors import MalformedError
from ownership_vouchers.rv_values import (
    RvProtocol,
    RvVariable,
    Value,
    json_value,
    read_value,
    write_value,
)
from ownership_vouchers.to2_address import (
    To2Address,
    TransportProtocol,
    to2_addresses_from_item,
    url,
    usable_urls,
)
from ownership_vouchers.types import Hash

__all__ = [
    "Candidates",
    "RendezvousInfo",
    "RvDirective",
    "RvInstruction",
    "RvProtocol",
    "RvVariable",
    "To2Address",
    "TransportProtocol",
    "device_addresses",
    "owner_addresses",
    "to2_addresses_from_item",
    "usable_urls",
]

MAX_DIRECTIVES = 32
MAX_INSTRUCTIONS = 32

_SCHEMES = {
    RvProtocol.REST: ("https", 443),
    RvProtocol.HTTP: ("http", 80),
    RvProtocol.HTTPS: ("https", 443),
}


@dataclass(frozen=True, slots=True)
class RvInstruction:
    """One RendezvousInstr; ``value`` is None if we cannot read it."""

    variable: int
    encoded: bytes | None = field(repr=False)
    value: Value | None

    @classmethod
    def from_item(cls, item: object) -> Self:
        """Raises MalformedError on any shape but ``[variable, ? value]``."""
        parts = cbor.array(item, 1, 2)
        variable = cbor.uint(parts[0], 8)
        # One peer always writes two elements, another null for "no value".
        encoded = None if parts[1:] in ([], [None]) else cbor.bstr(parts[1], limit=1024)
        return cls(variable, encoded, read_value(variable, encoded))

    def to_item(self) -> list[object]:
        if self.encoded is None:
            return [self.variable]
        return [self.variable, self.encoded]


@dataclass(frozen=True, slots=True)
class RvDirective:
    """One RendezvousDirective: a set of instructions, each variable once."""

    instructions: tuple[RvInstruction, ...]

    def __post_init__(self) -> None:
        if len({one.variable for one in self.instructions}) != len(self.instructions):
            raise MalformedError("a directive names one variable twice")

    @classmethod
    def from_item(cls, item: object) -> Self:
        items = cbor.array(item, limit=MAX_INSTRUCTIONS)
        return cls(tuple(RvInstruction.from_item(one) for one in items))

    @classmethod
    def build(cls, values: Mapping[str, object]) -> Self:
        """Build from the JSON form: ``{"dns": "rv.example", "bypass": True}``.

        Raises:
            MalformedError: A name or a value that is none of ours; says which.
        """
        built = []
        for name, value in values.items():
            if name.upper() not in RvVariable.__members__:
                raise MalformedError(f"no rendezvous variable is called {name[:40]!r}")
            variable = RvVariable[name.upper()]
            try:
                encoded = write_value(variable, value)
            except MalformedError as error:
                raise MalformedError(f"{name}: {error}") from error
            read = read_value(variable, encoded)
            built.append(RvInstruction(int(variable), encoded, read))
        return cls(tuple(built))

    def value(self, variable: RvVariable) -> Value | None:
        """Return what ``variable`` is set to; True for a flag that is there."""
        for one in self.instructions:
            if one.variable == variable:
                return one.value
        return None

    def describe(self) -> dict[str, object]:
        """Return the JSON form; what we cannot read is left out."""
        return {
            RvVariable(one.variable).name.lower(): json_value(one.variable, one.value)
            for one in self.instructions
            if one.value is not None
        }


@dataclass(frozen=True, slots=True)
class RendezvousInfo:
    """All directives in order, beside the bytes they came in."""

    raw: bytes = field(repr=False)
    directives: tuple[RvDirective, ...]

    @classmethod
    def from_cbor(cls, raw: bytes) -> Self:
        """Decode; an empty list is well-formed here and refused by ``verify``.

        Raises:
            MalformedError: Another shape, or more than 32 directives.
        """
        return cls(raw, _directives(raw))

    @classmethod
    def build(cls, directives: Iterable[Mapping[str, object]]) -> Self:
        """Build from a list of directives, each as ``RvDirective.build`` takes."""
        built = tuple(RvDirective.build(one) for one in directives)
        return cls.from_cbor(
            cbor.encode([[i.to_item() for i in one.instructions] for one in built])
        )

    def to_item(self) -> object:
        return cbor.decode(self.raw)

    def describe(self) -> list[dict[str, object]]:
        """Return the JSON form, which ``build`` takes back."""
        return [one.describe() for one in self.directives]


@lru_cache(maxsize=64)
def _directives(raw: bytes) -> tuple[RvDirective, ...]:
    """A product line's vouchers all carry the same bytes: read them once."""
    items = cbor.array(cbor.decode(raw), limit=MAX_DIRECTIVES)
    return tuple(RvDirective.from_item(one) for one in items)


@dataclass(frozen=True, slots=True)
class Candidates:
    """What to try for one directive, and how long to wait if all of it fails.

    ``delay`` is in seconds as the directive says, None if it does not. With
    ``bypass`` the addresses are the owner's: TO1 is left out. The hashes pin the
    server's TLS certificate. ``number`` is the directive's place, from 1.
    """

    number: int
    urls: tuple[str, ...]
    bypass: bool = False
    delay: int | None = None
    server_hash: Hash | None = None
    ca_hash: Hash | None = None


def device_addresses(rv_info: RendezvousInfo) -> tuple[Candidates, ...]:
    """Return what a device tries, directive by directive.

    Directives for the owner, or for a way of rendezvous that is not known here, are
    left out with all they say. Source: FDO 1.1, section 3.7.
    """
    skip = (RvVariable.OWNER_ONLY, RvVariable.EXT_RV)
    return _candidates(rv_info, skip, RvVariable.DEVICE_PORT)


def owner_addresses(rv_info: RendezvousInfo) -> tuple[Candidates, ...]:
    """Return where an owner registers its device (TO0)."""
    skip = (RvVariable.DEVICE_ONLY, RvVariable.BYPASS, RvVariable.EXT_RV)
    return _candidates(rv_info, skip, RvVariable.OWNER_PORT)


def _candidates(
    rv_info: RendezvousInfo, skip: tuple[RvVariable, ...], port: RvVariable
) -> tuple[Candidates, ...]:
    """Leave out each directive in which one of ``skip`` stands, readable or not."""
    return tuple(
        _candidate(number, one, port)
        for number, one in enumerate(rv_info.directives, 1)
        if not any(instr.variable in skip for instr in one.instructions)
    )


def _candidate(number: int, directive: RvDirective, port: RvVariable) -> Candidates:
    delay = directive.value(RvVariable.DELAY)
    server_hash = directive.value(RvVariable.SV_CERT_HASH)
    ca_hash = directive.value(RvVariable.CL_CERT_HASH)
    return Candidates(
        number,
        _urls(directive, port),
        directive.value(RvVariable.BYPASS) is True,
        delay if isinstance(delay, int) else None,
        server_hash if isinstance(server_hash, Hash) else None,
        ca_hash if isinstance(ca_hash, Hash) else None,
    )


def _urls(directive: RvDirective, port_variable: RvVariable) -> tuple[str, ...]:
    """Name first, then address; HTTPS unless the directive says otherwise."""
    protocol = directive.value(RvVariable.PROTOCOL)
    number = RvProtocol.HTTPS if protocol is None else protocol
    scheme = next((value for key, value in _SCHEMES.items() if key == number), None)
    if scheme is None:
        return ()
    port = directive.value(port_variable)
    hosts = (directive.value(RvVariable.DNS), directive.value(RvVariable.IP))
    number = port if isinstance(port, int) else scheme[1]
    return tuple(
        url(scheme[0], host, number) for host in hosts if isinstance(host, str)
    )
