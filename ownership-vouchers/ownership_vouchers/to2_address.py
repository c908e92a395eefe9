"""Where an owner waits for its device. Source: FDO 1.1, section 3.3.8.

``TransportProtocol`` is numbered differently from the protocols of a
rendezvous instruction.
"""

from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum, unique
from typing import Self

from ownership_vouchers import cbor
from ownership_vouchers.errors import MalformedError
from ownership_vouchers.rv_values import host_name, ip_bytes, ip_text

MAX_ADDRESSES = 32


@unique
class TransportProtocol(IntEnum):
    """TransportProtocol of an RVTO2AddrEntry."""

    TCP = 1
    TLS = 2
    HTTP = 3
    COAP = 4
    HTTPS = 5
    COAPS = 6


_SCHEMES = {TransportProtocol.HTTP: "http", TransportProtocol.HTTPS: "https"}


def url(scheme: str, host: str, port: int) -> str:
    """Join the root of a URL; an IPv6 address gets its brackets."""
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


@dataclass(frozen=True, slots=True)
class To2Address:
    """One RVTO2AddrEntry; ``ip`` is text, and one of ``ip``, ``dns`` is there."""

    ip: str | None
    dns: str | None
    port: int
    protocol: TransportProtocol

    def __post_init__(self) -> None:
        if self.ip is None and self.dns is None:
            raise MalformedError("TO2 address without IP address and DNS name")
        if self.ip is not None:
            ip_bytes(self.ip)
        if self.dns is not None:
            host_name(self.dns)
        cbor.uint(self.port, 16)

    @classmethod
    def from_item(cls, item: object) -> Self:
        """Raises MalformedError on any shape but ``[ip, dns, port, protocol]``."""
        ip, dns, port, protocol = cbor.array(item, 4)
        number = cbor.uint(protocol, 8)
        if number not in set(TransportProtocol):
            raise MalformedError(f"transport protocol {number}")
        return cls(
            None if ip is None else ip_text(ip),
            None if dns is None else host_name(dns),
            cbor.uint(port, 16),
            TransportProtocol(number),
        )

    def to_item(self) -> list[object]:
        ip = None if self.ip is None else ip_bytes(self.ip)
        return [ip, self.dns, self.port, int(self.protocol)]

    @property
    def urls(self) -> tuple[str, ...]:
        """Roots to try in order, name first; none if it is not HTTP(S)."""
        scheme = _SCHEMES.get(self.protocol)
        if scheme is None:
            return ()
        hosts = [host for host in (self.dns, self.ip) if host is not None]
        return tuple(url(scheme, host, self.port) for host in hosts)


def usable_urls(item: object) -> tuple[str, ...]:
    """Return every root that an RVTO2Addr names and a device of ours can try.

    An entry that cannot be read, or is of another protocol, hides none of the others.

    Raises:
        MalformedError: It is no list, or over 32 entries.
    """
    urls: list[str] = []
    for one in cbor.array(item, limit=MAX_ADDRESSES):
        with suppress(MalformedError):
            urls += To2Address.from_item(one).urls
    return tuple(dict.fromkeys(urls))


def to2_addresses_from_item(item: object) -> tuple[To2Address, ...]:
    """Decode RVTO2Addr: 1 to 32 addresses in order of preference."""
    items = cbor.array(item, limit=MAX_ADDRESSES)
    if not items:
        raise MalformedError("no TO2 address")
    return tuple(To2Address.from_item(one) for one in items)
