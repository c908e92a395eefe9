"""Requests to addresses that users name: never into our own network by accident.

A name is resolved once, every address of it is judged, and the connection goes to an
address that was judged: a name cannot be one thing when it is checked and another
when it is used. Redirects are not followed.

Source: OWASP, Server-Side Request Forgery Prevention; IANA special-purpose registries.
"""

import ipaddress
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from urllib.parse import SplitResult, urlsplit

import httpx

from onboarding.http_client import within
from onboarding.services.errors import Problem, ServicesError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Resolve = Callable[[str, int], Sequence[str]]

URL_LIMIT = 500
ANSWER_LIMIT = 4096  # bytes of an answer that are read
SECONDS = 10.0

# Global by the registry, and ways into an IPv4 network all the same.
_TUNNELS = tuple(
    ipaddress.ip_network(one)
    for one in ("64:ff9b::/96", "64:ff9b:1::/48", "2001::/32", "2002::/16")
)


class NotSent(ServicesError):
    """The request was not made, or not answered: says why."""


@dataclass(frozen=True, slots=True)
class Target:
    """A URL that may be asked, and the address it is asked at."""

    url: SplitResult
    address: str

    @property
    def host(self) -> str:
        return self.url.hostname or ""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """Who may be asked: everybody on the public net by HTTPS, and ``networks``.

    In ``networks`` plain HTTP will do, since whoever named them knows them.
    """

    networks: tuple[Network, ...] = ()
    resolve: Resolve = lambda host, port: resolved(host, port)

    def target(self, url: str) -> Target:
        """Find out where a URL leads. Raises NotSent: not where we go."""
        parts = read_url(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        try:
            found = [_address(one) for one in self.resolve(parts.hostname or "", port)]
        except (OSError, ValueError) as error:
            raise NotSent("its host name leads nowhere") from error
        if not found:
            raise NotSent("its host name leads nowhere")
        for one in found:
            self._judge(one, parts.scheme)
        return Target(parts, str(found[0]))

    def judge_literal(self, parts: SplitResult) -> None:
        """Judge the address that stands in a URL itself. Raises NotSent."""
        try:
            address = _address(parts.hostname or "")
        except ValueError:
            return  # a name: what it means is judged when it is asked
        self._judge(address, parts.scheme)

    def _judge(self, address: Address, scheme: str) -> None:
        if any(address in network for network in self.networks):
            return
        if not _public(address):
            raise NotSent(f"its address {address} is none of the public net")
        if scheme != "https":
            raise NotSent("beyond networks that are named, only HTTPS is spoken")


def read_url(url: str) -> SplitResult:
    """Take a URL apart. Raises NotSent: not one that we would ask."""
    try:
        parts = urlsplit(url)
        named = parts.hostname and parts.port != 0
    except ValueError as error:
        raise NotSent("it is no URL") from error
    plain = url.isascii() and url.isprintable() and " " not in url
    if not plain or len(url) > URL_LIMIT or parts.scheme not in ("http", "https"):
        raise NotSent(f"not an http or https URL of up to {URL_LIMIT} characters")
    if not named or parts.username is not None or parts.fragment:
        raise NotSent("a URL needs a host, and has no user name and no fragment")
    return parts


def require_url(url: str, outgoing: Outgoing) -> None:
    """Refuse what will never be asked; a name's addresses may be others by then.

    Raises:
        Problem: 422; no such URL, or an address that it names itself is not public.
    """
    try:
        outgoing.judge_literal(read_url(url))
    except NotSent as error:
        raise Problem(
            422,
            "url-refused",
            f"{str(error)[:1].upper()}{str(error)[1:]}.",
            remedy="Name a URL on the public net, by HTTPS; or the receiver's network"
            " in VOUCHGATE_WEBHOOK_NETWORKS.",
        ) from error


def resolved(host: str, port: int) -> list[str]:
    """Every address of a name, as the system knows it. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(one[4][0]) for one in found))


def post(
    client: httpx.Client, target: Target, headers: Mapping[str, str], body: bytes
) -> httpx.Response:
    """Send ``body`` to the address that was judged; the answer's head counts.

    Args:
        client: One of ``http_client``; all of it takes ``SECONDS`` at most.

    Raises:
        NotSent: No answer in time, or none that is HTTP.
    """
    address = f"[{target.address}]" if ":" in target.address else target.address
    port = "" if target.url.port is None else f":{target.url.port}"
    path = (target.url.path or "/") + (
        f"?{target.url.query}" if target.url.query else ""
    )
    host = f"[{target.host}]" if ":" in target.host else target.host
    try:
        with (
            within(SECONDS),
            client.stream(
                "POST",
                f"{target.url.scheme}://{address}{port}{path}",
                headers={**headers, "Host": f"{host}{port}"},
                content=body,
                extensions={"sni_hostname": target.host},
            ) as answer,
        ):
            taken = 0
            for part in answer.iter_raw():
                taken += len(part)
                if taken > ANSWER_LIMIT:
                    break
            return answer
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise NotSent(f"no answer: {type(error).__name__}") from error


def _address(text: str) -> Address:
    """An address without its zone; one of IPv4 in IPv6's clothes as what it is."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _public(address: Address) -> bool:
    if address.is_multicast or not address.is_global:
        return False
    return not any(
        address.version == one.version and address in one for one in _TUNNELS
    )
