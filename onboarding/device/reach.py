"""The way to a server that rendezvous information names: addresses, TLS, pins."""

import ipaddress
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace

import httpx

from onboarding.device.errors import Unreachable
from onboarding.device.http import FdoChannel, new_client
from onboarding.tls import PUBLIC, Trust
from ownership_vouchers.rendezvous import Candidates

MAX_ADDRESSES = 16  # of one name

Resolve = Callable[[str, int], Sequence[str]]
"""Addresses of a host name, for a port, in the order to try them; OSError if none."""


def resolve(host: str, port: int) -> Sequence[str]:
    """Ask the system for the addresses of a name, each once."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


@dataclass(frozen=True, slots=True)
class Route:
    """One address of one server; ``address`` is None where ``url`` has it itself."""

    url: str
    address: str | None = None

    def __str__(self) -> str:
        return self.url if self.address is None else f"{self.url} at {self.address}"


@dataclass(frozen=True, slots=True)
class Network:
    """How this device reaches servers.

    ``trust`` is what ``client`` was made with: where a directive pins a server,
    another client is made from it.
    """

    client: httpx.Client
    trust: Trust = PUBLIC
    resolve: Resolve = resolve

    def routes(self, url: str) -> tuple[Route, ...]:
        """Every address of ``url``, in order. Source: FDO 1.1, section 3.7.

        Raises:
            Unreachable: Nobody knows the name.
        """
        parsed = httpx.URL(url)
        if _is_address(parsed.host):
            return (Route(url),)
        port = parsed.port or (443 if parsed.scheme == "https" else 80)
        try:
            found = self.resolve(parsed.host, port)
        except (OSError, UnicodeError) as error:
            raise Unreachable(f"the name {parsed.host} has no address") from error
        return tuple(Route(url, address) for address in found[:MAX_ADDRESSES])

    @contextmanager
    def channel(
        self, route: Route, pinned: Candidates | None = None
    ) -> Iterator[FdoChannel]:
        """Open one run to a server; to nobody but whom ``pinned`` says.

        Raises:
            Unreachable: It is pinned and cannot be checked.
            DeviceError: The pinned authority's certificate is not here.
        """
        pins = self._pins(pinned)
        if not pins.pinned:
            yield FdoChannel(self.client, route.url, route.address)
            return
        if not route.url.startswith("https://"):
            raise Unreachable(f"{route.url} is no HTTPS, but its certificate is pinned")
        with closing(new_client(pins)) as client:
            yield FdoChannel(client, route.url, route.address)

    def _pins(self, pinned: Candidates | None) -> Trust:
        if pinned is None:
            return self.trust
        return replace(self.trust, server=pinned.server_hash, authority=pinned.ca_hash)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
