"""Where a request comes from, also behind a proxy.

``X-Forwarded-For`` is what anyone may write. It is read only on connections from
proxies that the settings name, from its end, and no further than these vouch for.
"""

import ipaddress
from collections.abc import Iterable, Sequence
from functools import lru_cache

MOST_HOPS = 16

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def asked_from(
    peer: str, headers: Iterable[tuple[bytes, bytes]], trusted: Sequence[Network]
) -> str:
    """The address that a request's own headers and ``trusted`` vouch for."""
    return asker(peer, _hops(headers), trusted) if trusted else peer


def asker(peer: str, hops: Sequence[str], trusted: Sequence[Network]) -> str:
    """The last address that one of ``trusted`` vouches for.

    Args:
        peer: The other end of the connection.
        hops: What ``X-Forwarded-For`` says, the last hop last.

    Returns:
        ``peer`` itself if it is no proxy of ours; of a header that says no address
        at some point, the proxy that passed it on.
    """
    found = peer
    for hop in reversed(hops[-MOST_HOPS:]):
        address = _address(found)
        if address is None or not any(address in one for one in trusted):
            return found
        if _address(hop) is None:
            return found
        found = hop
    return found


@lru_cache(maxsize=4096)
def bucket_of(address: str) -> str:
    """The name of whom an address counts against; of IPv6 its /64 network.

    A subscriber has at least 2**64 addresses of IPv6, so one of them says nothing.
    """
    found = _address(address)
    if found is None:
        return ""
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    return str(ipaddress.IPv6Network((found, 64), strict=False))


def _hops(headers: Iterable[tuple[bytes, bytes]]) -> list[str]:
    said = [value for name, value in headers if name == b"x-forwarded-for"]
    return [one.strip() for one in b",".join(said).decode("latin-1").split(",")]


def _address(text: str) -> Address | None:
    """IPv4 in the clothes of IPv6 is IPv4: no second bucket, no way past a network."""
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found
