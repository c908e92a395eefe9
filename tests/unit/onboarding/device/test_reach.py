"""From the name of a server to a connection with it, and with nobody else."""

from collections.abc import Sequence

import httpx
import pytest

from onboarding.device import reach
from onboarding.device.errors import Unreachable
from onboarding.device.reach import Network, Route
from onboarding.tls import Trust
from onboarding.wire.message import MsgType
from ownership_vouchers.rendezvous import Candidates
from ownership_vouchers.types import Hash, HashType

PIN = Hash.of(HashType.SHA256, b"a certificate")


def network(*addresses: str) -> Network:
    def resolve(_host: str, _port: int) -> Sequence[str]:
        return addresses

    return Network(httpx.Client(trust_env=False), resolve=resolve)


ROUTES: dict[str, tuple[str, tuple[str, ...], list[Route]]] = {
    "an IPv4 address": ("http://192.0.2.1:80", (), [Route("http://192.0.2.1:80")]),
    "an IPv6 address": (
        "https://[2001:db8::1]:443",
        (),
        [Route("https://[2001:db8::1]:443")],
    ),
    "a name with two addresses": (
        "https://rv.example:443",
        ("2001:db8::1", "192.0.2.1"),
        [
            Route("https://rv.example:443", "2001:db8::1"),
            Route("https://rv.example:443", "192.0.2.1"),
        ],
    ),
    "a name with none": ("https://rv.example:443", (), []),
}


@pytest.mark.parametrize("name", ROUTES)
def test_a_server_is_reached_at_each_of_its_addresses(name: str) -> None:
    url, addresses, routes = ROUTES[name]
    assert list(network(*addresses).routes(url)) == routes


def test_a_name_with_very_many_addresses_is_tried_at_the_first_of_them() -> None:
    many = [f"192.0.2.{number}" for number in range(200)]
    found = network(*many).routes("http://rv.example:80")
    assert [one.address for one in found] == many[: reach.MAX_ADDRESSES]


def test_a_name_that_nobody_knows_is_said_so() -> None:
    def resolve(_host: str, _port: int) -> Sequence[str]:
        raise OSError("no such name")

    unknown = Network(httpx.Client(trust_env=False), resolve=resolve)
    with pytest.raises(Unreachable, match=r"rv\.example has no address"):
        unknown.routes("http://rv.example:80")


def test_the_system_knows_where_localhost_is() -> None:
    assert "127.0.0.1" in reach.resolve("localhost", 80)


def test_a_route_is_told_with_its_address() -> None:
    assert str(Route("http://rv.example:80", "192.0.2.1")) == (
        "http://rv.example:80 at 192.0.2.1"
    )


def test_a_server_is_asked_by_its_name_at_its_address() -> None:
    seen: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, headers={"Message-Type": "31"}, content=b"\x80")

    client = httpx.Client(transport=httpx.MockTransport(handle))
    route = Route("https://rv.example:8443", "192.0.2.1")
    with Network(client).channel(route) as channel:
        channel.exchange(MsgType.TO1_HELLO_RV, b"\x80")
    (request,) = seen
    assert (request.url.host, request.url.port) == ("192.0.2.1", 8443)
    assert request.headers["host"] == "rv.example:8443"
    assert request.extensions["sni_hostname"] == "rv.example"


PINNED = {
    "the server's certificate": Candidates(1, (), server_hash=PIN),
    "its authority's certificate": Candidates(1, (), ca_hash=PIN),
}


@pytest.mark.parametrize("name", PINNED)
def test_nobody_is_talked_to_in_the_clear_where_there_is_a_pin(name: str) -> None:
    opening = network().channel(Route("http://192.0.2.1:80"), PINNED[name])
    with pytest.raises(Unreachable, match="pinned"), opening:
        pass


def test_a_pinned_server_gets_a_client_of_its_own() -> None:
    client = httpx.Client(trust_env=False)
    pinned = Network(client, Trust())
    route = Route("https://192.0.2.1:443")
    with pinned.channel(route, PINNED["the server's certificate"]) as channel:
        assert channel._client is not client
    with pinned.channel(route, Candidates(1, ())) as channel:
        assert channel._client is client
