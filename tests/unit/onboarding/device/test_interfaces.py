"""Network interfaces of a machine, and connections that take one of them."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from hw.sysfiles import SysFiles
from onboarding.device.errors import Unreachable
from onboarding.device.http import client_of
from onboarding.device.interfaces import interfaces, interfaces_of
from onboarding.device.reach import Network, Route
from onboarding.protocol.rv_medium import Interface
from onboarding.tls import PUBLIC, Trust, context_of
from onboarding.wire.message import MsgType
from ownership_vouchers.rendezvous import Candidates
from ownership_vouchers.types import Hash, HashType
from tests.support.server_tls import Authority

NET = "sys/class/net"
ETHERNET, LOOPBACK = b"1\n", b"772\n"
TREE: dict[str, bytes] = {
    "lo/type": LOOPBACK,
    "eth0/type": ETHERNET,
    "eth0/uevent": b"INTERFACE=eth0\nIFINDEX=2\n",
    "wlan0/type": ETHERNET,
    "wlan0/uevent": b"DEVTYPE=wlan\nINTERFACE=wlan0\n",
    "wlan0/phy80211/name": b"phy0\n",
    "wlan1/type": ETHERNET,
    "wlan1/wireless/status": b"0\n",
    "eth0.5/type": ETHERNET,
    "eth0.5/uevent": b"DEVTYPE=vlan\n",
    "docker0/type": ETHERNET,
    "docker0/bridge/bridge_id": b"8000\n",
    "veth1/type": ETHERNET,
    "veth1/brport/state": b"3\n",
    "tap0/type": ETHERNET,
    "tap0/tun_flags": b"0x1002\n",
    "can0/type": b"280\n",
    "odd/type": b"one\n",
}


def files(root: Path, tree: dict[str, bytes]) -> SysFiles:
    for name, content in tree.items():
        path = root / NET / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return SysFiles(root)


def test_those_with_a_network_of_their_own_are_found(tmp_path: Path) -> None:
    assert interfaces_of(files(tmp_path, TREE)) == (
        Interface("eth0", wireless=False),
        Interface("wlan0", wireless=True),
        Interface("wlan1", wireless=True),
    )


def test_a_system_that_shows_none_is_not_one_without_any(tmp_path: Path) -> None:
    assert interfaces_of(SysFiles(tmp_path)) is None
    assert interfaces_of(files(tmp_path, {"lo/type": LOOPBACK})) == ()


def test_what_is_found_here_is_what_the_system_has() -> None:
    found = interfaces()
    assert found is not None
    here = {name for _, name in socket.if_nameindex()}
    assert {one.name for one in found} <= here - {"lo"}


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Message-Type", "31")
        self.send_header("Content-Length", "1")
        self.end_headers()
        self.wfile.write(b"\x80")

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Answer) as found:
        threading.Thread(target=found.serve_forever, args=(0.01,), daemon=True).start()
        yield found
        found.shutdown()


def bound(answer: httpx.Response) -> bytes:
    """Which interface the connection of an answer is bound to."""
    used = answer.extensions["network_stream"].get_extra_info("socket")
    name: bytes = used.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, 16)
    return name.rstrip(b"\0")


def test_a_connection_takes_the_interface_it_is_told_to(
    server: ThreadingHTTPServer,
) -> None:
    url = f"http://127.0.0.1:{server.server_port}/"
    for through in ("lo", None):
        with closing(client_of(context_of(PUBLIC), through)) as client:
            with client.stream("POST", url, content=b"x") as answer:
                assert bound(answer) == (through or "").encode()
                assert answer.read() == b"\x80"


@pytest.mark.parametrize("name", ["nosuchif0", "much-too-long-for-a-name"])
def test_one_that_is_gone_leads_nowhere(server: ThreadingHTTPServer, name: str) -> None:
    route = Route(f"http://127.0.0.1:{server.server_port}", through=name)
    network = Network(httpx.Client(trust_env=False))
    with network.channel(route) as channel, pytest.raises(Unreachable):
        channel.exchange(MsgType.TO1_HELLO_RV, b"\x80")


def test_a_run_takes_it_by_the_address_of_a_name(server: ThreadingHTTPServer) -> None:
    url = f"http://rv.example.test:{server.server_port}"
    network = Network(httpx.Client(trust_env=False), resolve=lambda *_: ["127.0.0.1"])
    (route,) = network.routes(url, "lo")
    assert str(route) == f"{url} at 127.0.0.1 by lo"
    with network.channel(route) as channel:
        reply = channel.exchange(MsgType.TO1_HELLO_RV, b"\x80")
    assert reply == (MsgType.TO1_HELLO_RV_ACK, b"\x80")


PINS = {"the one that is pinned": True, "another one": False}


@pytest.mark.parametrize("name", PINS)
def test_a_pin_counts_on_that_way_too(
    server: ThreadingHTTPServer, tmp_path: Path, name: str
) -> None:
    key, shown = Authority("a private CA").issue("127.0.0.1")
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    chain = tmp_path / "chain.pem"
    chain.write_bytes(private + shown.public_bytes(Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    der = shown.public_bytes(Encoding.DER) if PINS[name] else b"another"
    pinned = Candidates(1, (), server_hash=Hash.of(HashType.SHA256, der))
    route = Route(f"https://127.0.0.1:{server.server_port}", through="lo")
    network = Network(httpx.Client(trust_env=False), Trust())
    with network.channel(route, pinned) as channel:
        if PINS[name]:
            assert channel.exchange(MsgType.TO1_HELLO_RV, b"\x80")[1] == b"\x80"
            return
        with pytest.raises(Unreachable, match="not the one the device was told of"):
            channel.exchange(MsgType.TO1_HELLO_RV, b"\x80")
