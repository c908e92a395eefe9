"""Rendezvous info as go-fdo-server writes it in JSON, in both of its versions.

Version 1 is a list of objects, its ports texts; version 2 a list of lists of objects
with one member each, its ports numbers. Ours is a list of objects under other names.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ownership_vouchers.errors import MalformedError
from ownership_vouchers.rendezvous import RendezvousInfo
from ownership_vouchers.rv_values import RvProtocol

Json = Mapping[str, object]

_PROTOCOLS = {
    "rest": RvProtocol.REST,
    "http": RvProtocol.HTTP,
    "https": RvProtocol.HTTPS,
    "tcp": RvProtocol.TCP,
    "tls": RvProtocol.TLS,
    "coap+tcp": RvProtocol.COAP_TCP,
    "coap": RvProtocol.COAP_UDP,
}
_MEDIA = {"eth_all": 20, "wifi_all": 21}
_HASHES = {64: "sha256", 96: "sha384"}  # hexadecimal digits


@dataclass(frozen=True, slots=True)
class _Name:
    """One member: our name for it, and both ways between their value and ours."""

    ours: str
    read: Callable[[object], object]
    write: Callable[[object], object]


def from_v1(document: object) -> RendezvousInfo:
    """Read version 1.

    Raises:
        MalformedError: Says in which directive, and what.
    """
    return _built([_v1_members(one) for one in _list(document, "the body")])


def from_v2(document: object) -> RendezvousInfo:
    """Read version 2. Raises MalformedError."""
    directives = _list(document, "the body")
    return _built([_v2_members(one) for one in directives])


def port_of(value: object) -> int:
    """Read a port, a text or a number. Raises MalformedError."""
    if isinstance(value, str) and value.isascii() and value.isdecimal():
        return _port_number(int(value[:6]))
    return _port_number(value)


def to_v1(info: RendezvousInfo) -> list[dict[str, object]]:
    """Write version 1; what it has no name for is left out."""
    return [
        {name: _v1_value(name, value) for name, value in _theirs(one)}
        for one in info.describe()
    ]


def to_v2(info: RendezvousInfo) -> list[list[dict[str, object]]]:
    """Write version 2; what it has no name for is left out."""
    return [[{name: value} for name, value in _theirs(one)] for one in info.describe()]


def _built(directives: list[dict[str, object]]) -> RendezvousInfo:
    ours = []
    for number, members in enumerate(directives):
        try:
            ours.append(_ours(members))
        except MalformedError as error:
            raise MalformedError(f"rvinfo[{number}]: {error}") from error
    return RendezvousInfo.build(ours)


def _ours(members: Json) -> dict[str, object]:
    if "dns" not in members and "ip" not in members:
        raise MalformedError("at least one of dns or ip must be specified")
    found: dict[str, object] = {}
    for name, value in members.items():
        known = _NAMES.get(name)
        if known is None:
            raise MalformedError(f"no instruction is called {name[:40]!r}")
        found[known.ours] = _value(name, known, value)
    return found


def _value(name: str, known: _Name, value: object) -> object:
    try:
        return known.read(value)
    except (MalformedError, ValueError, KeyError, RecursionError) as error:
        raise MalformedError(f"{name}: not a value of it") from error


def _theirs(directive: Json) -> list[tuple[str, object]]:
    by_ours = {known.ours: (name, known) for name, known in _NAMES.items()}
    found = (by_ours[ours] + (value,) for ours, value in directive.items())
    return [
        (name, known.write(value)) for name, known, value in found if value is not False
    ]


def _v1_members(directive: object) -> dict[str, object]:
    """Empty texts, null and false say nothing in version 1; a delay of 0 does."""
    if not isinstance(directive, Mapping):
        raise MalformedError("a directive is not an object")
    given = {str(name): value for name, value in directive.items()}
    silent = ("", None)
    said = {
        n: one for n, one in given.items() if one not in silent and one is not False
    }
    for name in ("device_port", "owner_port"):
        if name in said:
            said[name] = port_of(said[name])
    if "user_input" in said:
        said["user_input"] = True
    in_order = [name for name in _NAMES if name in said]
    return {name: said[name] for name in (*in_order, *said)}


def _v2_members(directive: object) -> dict[str, object]:
    members: dict[str, object] = {}
    for one in _list(directive, "a directive"):
        if not isinstance(one, Mapping) or len(one) != 1:
            raise MalformedError("an instruction is not an object with one member")
        ((name, value),) = one.items()
        if str(name) in members:
            raise MalformedError(f"a directive names {str(name)[:40]!r} twice")
        members[str(name)] = value
    return members


def _v1_value(name: str, value: object) -> object:
    if name in ("device_port", "owner_port"):
        return str(value)
    if name == "user_input":
        return "true"
    return json.dumps(value, separators=(",", ":")) if name == "ext_rv" else value


def _list(value: object, what: str) -> list[object]:
    if not isinstance(value, list):
        raise MalformedError(f"{what} is not a list")
    return value


def _extension(value: object) -> object:
    """Version 1 has the list as JSON in a text."""
    return json.loads(value) if isinstance(value, str) else value


def _number(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise MalformedError("not a whole number")
    return value


def _port_number(value: object) -> int:
    number = _number(value)
    if not 1 <= number <= 65535:
        raise MalformedError("a port is 1 to 65535")
    return number


def _hash(value: object) -> str:
    digits = str(value)
    return f"{_HASHES[len(digits)]}:{digits}"


def _plain(value: object) -> object:
    return value


def _protocol_name(value: object) -> object:
    ours = {protocol.name.lower(): name for name, protocol in _PROTOCOLS.items()}
    return ours.get(str(value), str(value))


def _medium_name(value: object) -> object:
    names = {number: name for name, number in _MEDIA.items()}
    return names.get(int(str(value)), str(value))


def _digits(text: object) -> str:
    return str(text).partition(":")[2]


# In the order in which go-fdo-server writes the instructions of version 1.
_NAMES: Mapping[str, _Name] = {
    "dns": _Name("dns", _plain, _plain),
    "ip": _Name("ip", _plain, _plain),
    "protocol": _Name(
        "protocol", lambda text: int(_PROTOCOLS[str(text)]), _protocol_name
    ),
    "medium": _Name("medium", lambda text: _MEDIA[str(text)], _medium_name),
    "device_port": _Name("device_port", _port_number, _plain),
    "owner_port": _Name("owner_port", _port_number, _plain),
    "wifi_ssid": _Name("wifi_ssid", _plain, _plain),
    "wifi_pw": _Name("wifi_pw", _plain, _plain),
    "dev_only": _Name("device_only", _plain, _plain),
    "owner_only": _Name("owner_only", _plain, _plain),
    "rv_bypass": _Name("bypass", _plain, _plain),
    "delay_seconds": _Name("delay", _number, _plain),
    "sv_cert_hash": _Name("sv_cert_hash", _hash, _digits),
    "cl_cert_hash": _Name("cl_cert_hash", _hash, _digits),
    "user_input": _Name("user_input", _plain, _plain),
    "ext_rv": _Name("ext_rv", _extension, _plain),
}
