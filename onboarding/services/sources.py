"""Where a request comes from, also behind a proxy.

``X-Forwarded-For`` is what anyone may write. It is read only on connections from
proxies that the settings name, from its end, and no further than these vouch for.
"""

import ipaddress
from collections.abc import Sequence

from onboarding.services.transport import AsgiApp, Receive, Scope, Send

MOST_HOPS = 16

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class ForwardedFor:
    """An ASGI wrapper; behind it ``client`` is who asked our outermost proxy."""

    def __init__(self, app: AsgiApp, trusted: Sequence[Network]) -> None:
        self._app = app
        self._trusted = tuple(trusted)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._trusted and scope.get("client"):
            peer, port = scope["client"]
            found = asker(peer, _hops(scope), self._trusted)
            scope = {**scope, "client": (found, port if found == peer else 0)}
        await self._app(scope, receive, send)


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


def source_of(scope: Scope) -> str:
    """The name of whom a request counts against: an address, of IPv6 its /64 network.

    A subscriber has at least 2**64 addresses of IPv6, so one of them says nothing.
    """
    client = scope.get("client")
    address = _address(client[0]) if client else None
    if address is None:
        return ""
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    return str(ipaddress.IPv6Network((address, 64), strict=False))


def _hops(scope: Scope) -> list[str]:
    said = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
    return [one.strip() for one in b",".join(said).decode("latin-1").split(",")]


def _address(text: str) -> Address | None:
    """IPv4 in the clothes of IPv6 is IPv4: no second bucket, no way past a network."""
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found
