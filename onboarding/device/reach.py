"""The way to a server that rendezvous information names: addresses, TLS, pins."""

import ipaddress
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace

import httpx

from onboarding.device.errors import DeviceError, Unreachable
from onboarding.device.http import FdoChannel, client_of, send
from onboarding.tls import (
    PUBLIC,
    Trust,
    TrustError,
    context_of,
    lacks_authority,
    looking,
    trusting_shown,
)
from ownership_vouchers.rendezvous import Candidates

MAX_ADDRESSES = 16  # of one name

Resolve = Callable[[str, int], Sequence[str]]
"""Addresses of a host name, for a port, in the order to try them; OSError if none."""


def resolve(host: str, port: int) -> Sequence[str]:
    """Ask the system for the addresses of a name, each once."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


Connect = Callable[[ssl.SSLContext, str | None], httpx.Client]
"""A new client, all of which goes through the network interface of that name."""


@dataclass(frozen=True, slots=True)
class Route:
    """One address of one server; ``address`` is None where ``url`` has it itself.

    ``through`` is the network interface to take, None for any.
    """

    url: str
    address: str | None = None
    through: str | None = None

    def __str__(self) -> str:
        at = "" if self.address is None else f" at {self.address}"
        return f"{self.url}{at}" + ("" if not self.through else f" by {self.through}")


@dataclass(frozen=True, slots=True)
class Network:
    """How this device reaches servers.

    ``trust`` is what ``client`` was made with: where a directive pins a server,
    another client is made from it.
    """

    client: httpx.Client
    trust: Trust = PUBLIC
    resolve: Resolve = resolve
    connect: Connect = client_of

    def routes(self, url: str, through: str | None = None) -> tuple[Route, ...]:
        """Every address of ``url``, in order. Source: FDO 1.1, section 3.7.

        Args:
            through: The network interface to reach it by; names are looked up by
                whatever way the system has.

        Raises:
            Unreachable: Nobody knows the name.
        """
        parsed = httpx.URL(url)
        if _is_address(parsed.host):
            return (Route(url, through=through),)
        port = parsed.port or (443 if parsed.scheme == "https" else 80)
        try:
            found = self.resolve(parsed.host, port)
        except (OSError, UnicodeError) as error:
            raise Unreachable(f"the name {parsed.host} has no address") from error
        kept = found[:MAX_ADDRESSES]
        return tuple(Route(url, address, through) for address in kept)

    @contextmanager
    def channel(
        self, route: Route, pinned: Candidates | None = None
    ) -> Iterator[FdoChannel]:
        """Open one run to a server; to nobody but whom ``pinned`` says.

        Raises:
            Unreachable: It is pinned and cannot be checked.
            DeviceError: The pinned authority's certificate is neither here nor shown.
        """
        pins = self._pins(pinned)
        if not pins.pinned and route.through is None:
            yield FdoChannel(self.client, route.url, route.address)
            return
        if pins.pinned and not route.url.startswith("https://"):
            raise Unreachable(f"{route.url} is no HTTPS, but its certificate is pinned")
        try:
            context = context_of(self._knowing(pins, route))
        except TrustError as error:
            raise DeviceError(str(error)) from error
        with closing(self.connect(context, route.through)) as client:
            yield FdoChannel(client, route.url, route.address)

    def _knowing(self, pins: Trust, route: Route) -> Trust:
        """Learn the certificate of an authority that is pinned from the server.

        A device has a hash of it and need not have the certificate.
        """
        if not lacks_authority(pins):
            return pins
        context, shown = looking()
        with closing(self.connect(context, route.through)) as client:
            try:
                send(client, "GET", route.url, limit=0, address=route.address)
            except Unreachable:  # as it ends in any case
                if not shown:
                    raise
        return trusting_shown(pins, shown)

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
