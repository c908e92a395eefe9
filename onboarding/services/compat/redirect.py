"""TO2 addresses as go-fdo-server writes them: a list of objects, their ports texts."""

from collections.abc import Iterable, Mapping

from onboarding.services.compat.directives import port_of
from ownership_vouchers.errors import MalformedError
from ownership_vouchers.rendezvous import To2Address, TransportProtocol
from ownership_vouchers.to2_address import MAX_ADDRESSES

_MEMBERS = {"dns", "ip", "port", "protocol"}


def from_json(document: object) -> tuple[To2Address, ...]:
    """Read the list.

    Raises:
        MalformedError: Says in which address, and what.
    """
    if not isinstance(document, list) or not 1 <= len(document) <= MAX_ADDRESSES:
        raise MalformedError(f"not a list of 1 to {MAX_ADDRESSES} addresses")
    return tuple(_address(number, one) for number, one in enumerate(document))


def to_json(addresses: Iterable[To2Address]) -> list[dict[str, str]]:
    """Write the list."""
    return [
        {
            "dns": one.dns or "",
            "ip": one.ip or "",
            "port": str(one.port),
            "protocol": one.protocol.name.lower(),
        }
        for one in addresses
    ]


def _address(number: int, item: object) -> To2Address:
    try:
        return _read(item)
    except MalformedError as error:
        raise MalformedError(f"to2[{number}]: {error}") from error


def _read(item: object) -> To2Address:
    if not isinstance(item, Mapping) or not item.keys() <= _MEMBERS:
        raise MalformedError("not an object of dns, ip, port and protocol")
    name = str(item.get("protocol") or "").upper()
    if name not in TransportProtocol.__members__:
        raise MalformedError(f"no protocol is called {name[:20].lower()!r}")
    ip, dns = _text(item.get("ip")), _text(item.get("dns"))
    return To2Address(ip, dns, port_of(item.get("port")), TransportProtocol[name])


def _text(value: object) -> str | None:
    if value in (None, ""):
        return None
    if not isinstance(value, str):
        raise MalformedError("dns and ip are texts")
    return value
