"""What a rendezvous instruction may carry: one codec for each variable.

Source: FDO 1.1, section 3.3.6 (``RVVariable``, ``RVProtocolValue``).
"""

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum, unique

from ownership_vouchers import cbor
from ownership_vouchers.errors import MalformedError
from ownership_vouchers.types import Hash, HashType

Value = str | int | bool | Hash | list[object]

_BARE = {kind.size: kind for kind in (HashType.SHA256, HashType.SHA384)}
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_.])?")


@unique
class RvVariable(IntEnum):
    """RVVariable; the lower-case names are the keys of our JSON form."""

    DEVICE_ONLY = 0
    OWNER_ONLY = 1
    IP = 2
    DEVICE_PORT = 3
    OWNER_PORT = 4
    DNS = 5
    SV_CERT_HASH = 6
    CL_CERT_HASH = 7
    USER_INPUT = 8
    WIFI_SSID = 9
    WIFI_PW = 10
    MEDIUM = 11
    PROTOCOL = 12
    DELAY = 13
    BYPASS = 14
    EXT_RV = 15


FLAGS = frozenset({RvVariable.DEVICE_ONLY, RvVariable.OWNER_ONLY, RvVariable.BYPASS})


@unique
class RvProtocol(IntEnum):
    """RVProtocolValue. It is not numbered as ``TransportProtocol`` is."""

    REST = 0
    HTTP = 1
    HTTPS = 2
    TCP = 3
    TLS = 4
    COAP_TCP = 5
    COAP_UDP = 6


def host_name(item: object) -> str:
    """Return a DNS name that can stand in a URL as it is."""
    name = cbor.tstr(item, limit=253)
    if not _HOST.fullmatch(name):
        raise MalformedError("not a host name")
    return name


def ip_text(item: object) -> str:
    """Return 4 or 16 address bytes as text, an IPv4-mapped address as IPv4."""
    raw = cbor.bstr(item, limit=16)
    if len(raw) not in (4, 16):
        raise MalformedError(f"IP address of {len(raw)} bytes")
    address = ipaddress.ip_address(raw)
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def ip_bytes(text: object) -> bytes:
    """Return the 4 or 16 bytes of an address written as text."""
    try:
        return ipaddress.ip_address(cbor.tstr(text, limit=45)).packed
    except ValueError as error:
        raise MalformedError("not an IP address") from error


def hash_text(value: Hash) -> str:
    """Write a hash for people: ``sha256:`` and hexadecimal digits."""
    return f"{value.type.digest_name}:{value.value.hex()}"


def _hash_item(value: object) -> object:
    name, _, digits = cbor.tstr(value, limit=120).partition(":")
    kinds = {kind.digest_name: kind for kind in HashType if not kind.is_mac}
    try:
        return Hash(kinds[name], bytes.fromhex(digits)).to_item()
    except (KeyError, ValueError) as error:
        raise MalformedError("not sha256:… or sha384:… in hexadecimal") from error


def _hash(item: object) -> Hash:
    """Read a hash, also one without its algorithm, as go-fdo-server writes it.

    To pass over a pin is to trust more servers than the maker meant to.
    """
    if isinstance(item, bytes) and len(item) in _BARE:
        return Hash(_BARE[len(item)], item)
    return Hash.from_item(item)


def _protocol_item(value: object) -> object:
    if isinstance(value, str):
        name = value.upper()
        if name not in RvProtocol.__members__:
            raise MalformedError(f"no protocol is called {value[:20]!r}")
        return int(RvProtocol[name])
    return cbor.uint(value, 8)


def _text(item: object) -> str:
    return cbor.tstr(item, limit=255)


def _uint(bits: int) -> Callable[[object], int]:
    return lambda item: cbor.uint(item, bits)


def _extension(item: object) -> list[object]:
    parts = cbor.array(item, limit=16)
    if not parts:
        raise MalformedError("external rendezvous without a mechanism")
    return [cbor.tstr(parts[0]), *parts[1:]]


@dataclass(frozen=True, slots=True)
class _Codec:
    read: Callable[[object], Value]  # CBOR item -> value
    write: Callable[[object], object]  # JSON form -> CBOR item


def _same(check: Callable[[object], Value]) -> _Codec:
    return _Codec(check, check)


_CODECS: Mapping[int, _Codec] = {
    RvVariable.IP: _Codec(ip_text, ip_bytes),
    RvVariable.DEVICE_PORT: _same(_uint(16)),
    RvVariable.OWNER_PORT: _same(_uint(16)),
    RvVariable.DNS: _same(host_name),
    RvVariable.SV_CERT_HASH: _Codec(_hash, _hash_item),
    RvVariable.CL_CERT_HASH: _Codec(_hash, _hash_item),
    RvVariable.USER_INPUT: _same(cbor.boolean),
    RvVariable.WIFI_SSID: _same(_text),
    RvVariable.WIFI_PW: _same(_text),
    RvVariable.MEDIUM: _same(_uint(8)),
    RvVariable.PROTOCOL: _Codec(_uint(8), _protocol_item),
    RvVariable.DELAY: _same(_uint(32)),
    RvVariable.EXT_RV: _same(_extension),
}


def read_value(variable: int, encoded: bytes | None) -> Value | None:
    """Return an instruction's value; None if unknown or unreadable.

    A device goes on without what it cannot read, so nothing is raised.
    """
    if variable in FLAGS:
        return True
    codec = _CODECS.get(variable)
    if codec is None or encoded is None:
        return None
    try:
        return codec.read(cbor.decode(encoded, max_depth=4))
    except MalformedError:
        return None


def write_value(variable: RvVariable, value: object) -> bytes | None:
    """Return a value in its JSON form as CBOR; None for a flag.

    Raises:
        MalformedError: Not a value of that variable.
    """
    if variable in FLAGS:
        if value is not True:
            raise MalformedError("a flag is true or left out")
        return None
    return cbor.encode(_CODECS[variable].write(value))


def json_value(variable: int, value: Value) -> object:
    """Return ``value`` in the form that ``write_value`` takes."""
    if isinstance(value, Hash):
        return hash_text(value)
    if variable == RvVariable.PROTOCOL and value in set(RvProtocol):
        return RvProtocol(int(str(value))).name.lower()
    return value
