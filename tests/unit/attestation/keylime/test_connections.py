"""Kept connections against real sockets: one exchange after the other, or an error."""

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import ClassVar

import httpx
import pytest

from attestation.keylime.connections import Connections
from attestation.plain_answer import pieces
from tests.support.scripted import OK, Scripted

WAITS = {"timeout": {"connect": 5.0, "write": 5.0, "read": 5.0}}
LARGE = 3 * 1024 * 1024


class _Echo(BaseHTTPRequestHandler):
    """Answers with what it was sent, and tells connections by their ports."""

    protocol_version = "HTTP/1.1"
    ports: ClassVar[list[int]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.ports.append(self.client_address[1])
        self.send_response(200)
        if self.path == "/closes":
            self.send_header("Connection", "close")
        if self.path == "/chunked":
            self.send_header("Transfer-Encoding", "chunked")
            chunk = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            body = chunk + b"0\r\n\r\n"
        else:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@contextmanager
def echoing() -> Iterator[tuple[str, list[int]]]:
    """A server's URL, and the port of each request's connection."""
    ports: list[int] = []
    handler = type("Echo", (_Echo,), {"ports": ports})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://localhost:{server.server_port}", ports
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def way() -> Iterator[Connections]:
    with closing(Connections(ssl.create_default_context())) as found:
        yield found


def sent(way: Connections, url: str, body: bytes = b"hello") -> bytes:
    asked = httpx.Request("POST", url, content=body, extensions=WAITS)
    with closing(way.handle_request(asked)) as answer:
        return b"".join(pieces(answer))


@pytest.mark.parametrize("path", ["/", "/chunked"])
@pytest.mark.parametrize("size", [0, 5, LARGE])
def test_exchanges_follow_each_other_on_one_connection(
    way: Connections, path: str, size: int
) -> None:
    with echoing() as (url, ports):
        for number in range(3):
            body = bytes([number]) * size
            assert sent(way, url + path, body) == body
    assert len(ports) == 3
    assert len(set(ports)) == 1


def test_a_connection_that_its_server_ends_is_not_used_again(way: Connections) -> None:
    with echoing() as (url, ports):
        for _ in range(2):
            assert sent(way, url + "/closes") == b"hello"
    assert len(set(ports)) == 2


def test_an_answer_that_is_not_read_to_its_end_frees_no_connection(
    way: Connections,
) -> None:
    with echoing() as (url, ports):
        asked = httpx.Request("POST", url, content=bytes(LARGE), extensions=WAITS)
        way.handle_request(asked).close()
        assert sent(way, url) == b"hello"
    assert len(set(ports)) == 2


UNREADABLE: dict[str, bytes] = {
    "nothing": b"",
    "no HTTP": b"hello\r\n\r\n",
    "half a body": OK + b"Content-Length: 9\r\n\r\nhalf",
    "half a chunk": OK + b"Transfer-Encoding: chunked\r\n\r\n9\r\nhalf",
    "an interim answer": b"HTTP/1.1 100 Continue\r\n\r\n",
    "a head without end": OK + b"X: " + b"a" * 128 * 1024,
}


@pytest.mark.parametrize("answer", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_what_is_no_whole_answer_is_an_error(way: Connections, answer: bytes) -> None:
    with Scripted(answer) as server, pytest.raises(httpx.TransportError):
        sent(way, server.url)


SPOILT: dict[str, Callable[[str], httpx.Request]] = {
    "a header with a line": lambda url: httpx.Request(
        "POST", url, headers={"X": "a\r\nY: b"}
    ),
    "a header's name with a line": lambda url: httpx.Request(
        "POST", url, headers={"X\r\nY": "b"}
    ),
    "a method of two words": lambda url: httpx.Request("GET /x", url),
    "another scheme": lambda url: httpx.Request("GET", url.replace("http", "ftp")),
}


@pytest.mark.parametrize("spoilt", SPOILT.values(), ids=SPOILT.keys())
def test_what_cannot_be_said_is_not_sent(
    way: Connections, spoilt: Callable[[str], httpx.Request]
) -> None:
    with echoing() as (url, ports), pytest.raises(httpx.TransportError):
        way.handle_request(spoilt(url))
    assert ports == []


def test_a_server_that_says_nothing_is_not_waited_for_without_end(
    way: Connections,
) -> None:
    waits = {"timeout": {"connect": 5.0, "write": 5.0, "read": 0.05}}
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        asked = httpx.Request("GET", url, extensions=waits)
        with pytest.raises(httpx.ReadTimeout):
            way.handle_request(asked)


def test_where_nobody_listens_there_is_no_connection(way: Connections) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        with pytest.raises(httpx.ConnectError):
            sent(way, url)


def test_a_server_may_take_a_request_later_than_it_takes_connections(
    way: Connections,
) -> None:
    """One that judges a list reads nothing meanwhile: that is no failed connection."""
    waits = {"timeout": {"connect": 0.2, "read": 5.0}}
    with socket.create_server(("127.0.0.1", 0)) as busy:
        url = f"http://127.0.0.1:{busy.getsockname()[1]}"

        def answer() -> None:
            peer, _ = busy.accept()
            with peer:
                time.sleep(0.6)
                left = LARGE
                while left > 0:
                    left -= len(peer.recv(65536)) or left
                peer.sendall(OK + b"Content-Length: 5\r\n\r\nhello")
                peer.recv(65536)

        thread = Thread(target=answer)
        thread.start()
        asked = httpx.Request("POST", url, content=bytes(LARGE), extensions=waits)
        with closing(way.handle_request(asked)) as said:
            assert b"".join(pieces(said)) == b"hello"
        way.close()
        thread.join()
