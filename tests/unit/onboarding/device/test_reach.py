"""From the name of a server to a connection with it, and with nobody else."""

import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from socket import create_server, socket

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from onboarding.device import reach
from onboarding.device.errors import DeviceError, Unreachable
from onboarding.device.reach import Network, Route
from onboarding.tls import Trust
from onboarding.wire.message import MsgType
from ownership_vouchers.rendezvous import Candidates
from ownership_vouchers.types import Hash, HashType
from tests.support.server_tls import Authority

ANSWER = (
    b"HTTP/1.1 200 OK\r\nMessage-Type: 31\r\nContent-Length: 1\r\n"
    b"Connection: close\r\n\r\n\x80"
)
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


# How the server shows the authority that is pinned; the last entry is its hash.
SHOWN: dict[str, tuple[bool, bool, str | None]] = {
    "with its own certificate": (True, True, None),
    "with another's behind its own": (True, False, "neither here nor shown"),
    "not at all": (False, True, "neither here nor shown"),
}


@pytest.mark.parametrize("name", SHOWN)
def test_an_authority_that_is_pinned_is_learnt_from_the_server(
    tmp_path: Path, name: str
) -> None:
    shows, its_own, refusal = SHOWN[name]
    authority, other = Authority("its CA"), Authority("another CA")
    behind = (authority if its_own else other).pem if shows else b""
    pinned = Candidates(1, (), ca_hash=sha256(authority))
    with tls_server(authority, behind, tmp_path) as (port, asked):
        route = Route(f"https://127.0.0.1:{port}")
        opening = Network(httpx.Client(trust_env=False)).channel(route, pinned)
        if refusal is not None:
            with pytest.raises(DeviceError, match=refusal), opening:
                pass
            assert asked == []
            return
        with opening as channel:
            assert channel.exchange(MsgType.TO1_HELLO_RV, b"\x80")[1] == b"\x80"
        assert len(asked) == 1  # the look at it said nothing


def test_a_certificate_that_is_only_shown_vouches_for_nobody(tmp_path: Path) -> None:
    """A stranger can show the pinned certificate; it cannot sign in its name."""
    authority, stranger = Authority("one name"), Authority("one name")
    pinned = Candidates(1, (), ca_hash=sha256(authority))
    with tls_server(stranger, authority.pem, tmp_path) as (port, asked):
        route = Route(f"https://127.0.0.1:{port}")
        opening = Network(httpx.Client(trust_env=False)).channel(route, pinned)
        with opening as channel, pytest.raises(Unreachable, match="verify failed"):
            channel.exchange(MsgType.TO1_HELLO_RV, b"\x80")
        assert asked == []


def test_a_server_that_is_away_is_said_to_be_away() -> None:
    with socket() as deaf:  # its port is taken, and nobody listens at it
        deaf.bind(("127.0.0.1", 0))
        route = Route(f"https://127.0.0.1:{deaf.getsockname()[1]}")
        opening = network().channel(route, Candidates(1, (), ca_hash=PIN))
        with pytest.raises(Unreachable, match="does not answer"), opening:
            pass


def sha256(authority: Authority) -> Hash:
    der = authority.certificate.public_bytes(Encoding.DER)
    return Hash.of(HashType.SHA256, der)


def whole(connection: ssl.SSLSocket) -> bytes:
    """Read a request to the end of its body, or nothing of one that never comes."""
    said = b""
    while not said.endswith(b"\x80"):
        more = connection.recv(4096)
        if not more:
            return b""
        said += more
    return said


@contextmanager
def tls_server(
    authority: Authority, behind: bytes, directory: Path
) -> Iterator[tuple[int, list[bytes]]]:
    """A server that answers 31 to all; its port, and what it was asked."""
    key, certificate = authority.issue("127.0.0.1")
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    chain = directory / "chain.pem"
    chain.write_bytes(private + certificate.public_bytes(Encoding.PEM) + behind)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    asked: list[bytes] = []

    def serve() -> None:
        while True:
            try:
                raw, _ = listening.accept()
            except OSError:
                return
            try:
                with raw, context.wrap_socket(raw, server_side=True) as tls:
                    said = whole(tls)
                    if said:
                        asked.append(said)
                        tls.sendall(ANSWER)
            except OSError:
                continue

    with create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=serve, daemon=True).start()
        yield listening.getsockname()[1], asked


def test_a_pinned_server_gets_a_client_of_its_own() -> None:
    client = httpx.Client(trust_env=False)
    pinned = Network(client, Trust())
    route = Route("https://192.0.2.1:443")
    with pinned.channel(route, PINNED["the server's certificate"]) as channel:
        assert channel._client is not client
    with pinned.channel(route, Candidates(1, ())) as channel:
        assert channel._client is client
