"""FDO messages on a real socket: whole ones without ASGI, all others through it."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from threading import Event, get_ident
from typing import Any

import pytest
import uvicorn

from onboarding.services import fdo_protocol
from onboarding.services.fdo_front import (
    DIRECT,
    MAX_BODY,
    Arrival,
    FdoFront,
    FdoResponse,
)
from onboarding.services.fdo_protocol import protocol_of
from onboarding.services.rates import Buckets, Rate
from onboarding.services.transport import FdoTransport
from onboarding.wire.error import ErrorMessage

Talk = Callable[["Wire"], Awaitable[Any]]


@dataclass
class Echo:
    """Answers each message with itself."""

    arrivals: list[Arrival] = field(default_factory=list)
    threads: set[int] = field(default_factory=set)
    gate: Event = field(default_factory=Event)  # closed while messages are to wait

    def __post_init__(self) -> None:
        self.gate.set()

    def handle(
        self,
        number: int,
        body: bytes,
        _authorization: str | None,
        arrival: Arrival = DIRECT,
    ) -> FdoResponse:
        self.arrivals.append(arrival)
        self.threads.add(get_ident())
        self.gate.wait(60)
        return FdoResponse(number + 1, body)

    def peer_error(self, body: bytes, authorization: str | None) -> None:
        """Nothing to end."""


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Wire:
    """One connection to the server, and what that server saw."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    server: uvicorn.Server
    asgi: list[str]
    echo: Echo

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def answer(self) -> Answer:
        head = await self.reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        pairs = (line.split(": ", 1) for line in lines if line)
        headers = dict(pairs)
        body = await self.reader.readexactly(int(headers["content-length"]))
        return Answer(int(first.split()[1]), headers, body)

    async def ended(self) -> bool:
        return await self.reader.read() == b""


def ask(
    body: bytes = b"\x80",
    *headers: str,
    path: str = "/fdo/101/msg/60",
    method: str = "POST",
    version: str = "1.1",
) -> bytes:
    lines = [f"{method} {path} HTTP/{version}", "Host: here", *headers]
    if not any(one.lower().startswith("transfer-encoding") for one in headers):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def talk(
    about: Talk,
    buckets: Buckets | None = None,
    proxies: tuple[Any, ...] = (),
    *,
    offload: bool = False,
) -> Any:
    """Run a real uvicorn on a socket of its own, and talk to it."""
    front = FdoFront({101: Echo()}, buckets=buckets, offload=offload)
    return asyncio.run(_talk(about, front, proxies))


async def _talk(about: Talk, front: FdoFront, proxies: tuple[Any, ...]) -> Any:
    asgi: list[str] = []
    target = front.find(b"/fdo/101/msg/60")
    assert target is not None
    echo = target.handler
    assert isinstance(echo, Echo)

    async def behind(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 299, "headers": LENGTH})
        await send({"type": "http.response.body", "body": b"behind"})

    transport = FdoTransport(behind, front, proxies)

    async def seen(scope: Any, receive: Any, send: Any) -> None:
        asgi.append(scope["path"])
        await transport(scope, receive, send)

    config = uvicorn.Config(
        seen,
        http=protocol_of(transport),
        lifespan="off",
        log_config=None,
        server_header=False,
    )
    server = uvicorn.Server(config)
    bound = socket.create_server(("127.0.0.1", 0))
    serving = asyncio.create_task(server.serve([bound]))
    while not server.started:
        await asyncio.sleep(0.01)
    reader, writer = await asyncio.open_connection(*bound.getsockname())
    try:
        wire = Wire(reader, writer, server, asgi, echo)
        return await asyncio.wait_for(about(wire), 60)
    finally:
        writer.close()
        server.should_exit = True
        await serving


async def until(check: Callable[[], bool]) -> None:
    """Wait for what the server does in this very loop."""
    while not check():
        await asyncio.sleep(0.01)


LENGTH = [(b"content-length", b"6")]


async def one(wire: Wire) -> Answer:
    return await wire.answer()


@pytest.mark.parametrize("offload", [False, True])
def test_a_whole_message_is_answered_without_asgi(offload: bool) -> None:
    async def about(wire: Wire) -> None:
        wire.send(ask(b"\x81\x01", "Authorization: Bearer t"))
        answer = await wire.answer()
        assert (answer.status, answer.body) == (200, b"\x81\x01")
        assert answer.headers.pop("date")
        assert answer.headers == {
            "content-type": "application/cbor",
            "message-type": "61",
            "authorization": "Bearer t",
            "content-length": "2",
        }
        assert (wire.asgi, wire.echo.arrivals) == ([], [Arrival(address="127.0.0.1")])
        assert (wire.echo.threads == {get_ident()}) is not offload

    talk(about, offload=offload)


@pytest.mark.parametrize("offload", [False, True])
def test_a_connection_carries_one_message_after_another(offload: bool) -> None:
    async def about(wire: Wire) -> None:
        for number in range(20):
            wire.send(ask(bytes([number]), path=f"/fdo/101/msg/{60 + number}"))
            answer = await wire.answer()
            assert (answer.body, answer.headers["message-type"]) == (
                bytes([number]),
                str(61 + number),
            )

    talk(about, offload=offload)


def test_what_is_sent_before_the_answer_came_is_not_kept() -> None:
    async def about(wire: Wire) -> None:
        wire.echo.gate.clear()
        wire.send(ask(b"1") + ask(b"2"))
        await until(lambda: bool(wire.echo.arrivals))
        wire.echo.gate.set()
        answer = await wire.answer()
        assert (answer.body, answer.headers["connection"]) == (b"1", "close")
        assert await wire.ended()
        assert len(wire.echo.arrivals) == 1

    talk(about, offload=True)


def test_a_thread_s_answer_is_waited_for_when_the_server_stops() -> None:
    async def about(wire: Wire) -> None:
        wire.echo.gate.clear()
        wire.send(ask(b"body"))
        await until(lambda: bool(wire.echo.arrivals))
        wire.server.should_exit = True
        await asyncio.sleep(0.3)
        wire.echo.gate.set()
        answer = await wire.answer()
        assert (answer.body, answer.headers["connection"]) == (b"body", "close")
        assert await wire.ended()

    talk(about, offload=True)


def test_nobody_is_answered_who_left_while_a_thread_was_at_work() -> None:
    async def about(wire: Wire) -> None:
        wire.echo.gate.clear()
        wire.send(ask(b"body"))
        await until(lambda: bool(wire.echo.arrivals))
        wire.writer.close()
        await asyncio.sleep(0.1)
        wire.echo.gate.set()
        await until(lambda: not wire.server.server_state.tasks)
        await until(lambda: not wire.server.server_state.connections)

    talk(about, offload=True)


def test_a_message_in_pieces_is_taken_once_it_is_whole() -> None:
    async def about(wire: Wire) -> None:
        for byte in ask(b"pieces"):
            wire.send(bytes([byte]))
            await asyncio.sleep(0)
        assert (await wire.answer()).body == b"pieces"
        wire.send(ask(b"x" * MAX_BODY))
        assert len((await wire.answer()).body) == MAX_BODY
        assert not wire.asgi

    talk(about)


def test_a_voucher_longer_than_other_messages_is_taken_through_asgi() -> None:
    async def about(wire: Wire) -> None:
        body = b"x" * (4 * MAX_BODY)
        wire.send(ask(body, path="/fdo/101/msg/22"))
        assert (await wire.answer()).body == body
        assert len(wire.asgi) == 1

    talk(about)


def test_messages_that_were_sent_at_once_are_answered_in_order() -> None:
    async def about(wire: Wire) -> None:
        wire.send(ask(b"1") + ask(b"2") + ask(b"", path="/api") + ask(b"3") + ask(b"4"))
        said = [(await wire.answer()).body for _ in range(5)]
        assert said == [b"1", b"2", b"behind", b"3", b"4"]

    talk(about)


CHUNKED = "Transfer-Encoding: chunked"
ELSEWHERE: dict[str, tuple[bytes, int, bytes]] = {
    "chunked": (ask(b"2\r\nab\r\n0\r\n\r\n", CHUNKED), 200, b"ab"),
    "another method": (ask(b"", method="PUT"), 405, b""),
    "another path": (ask(b"", path="/fdo/101/msg/256"), 404, b""),
    "a query": (ask(b"", path="/fdo/101/msg/60?x=1"), 200, b""),
    "too large": (
        ask(b"", "X: y", path="/fdo/101/msg/60")[:-4].replace(
            b"Content-Length: 0", b"Content-Length: 65536"
        )
        + b"\r\n\r\n",
        500,
        b"",
    ),
    "something else": (ask(b"", path="/api"), 299, b"behind"),
}


@pytest.mark.parametrize("case", list(ELSEWHERE))
def test_whatever_is_out_of_the_ordinary_goes_through_asgi(case: str) -> None:
    request, status, body = ELSEWHERE[case]

    async def about(wire: Wire) -> None:
        wire.send(request)
        answer = await wire.answer()
        assert answer.status == status
        assert not body or answer.body == body
        assert len(wire.asgi) == 1

    talk(about)


def test_who_waits_to_be_asked_for_the_body_is_asked() -> None:
    async def about(wire: Wire) -> None:
        wire.send(ask(b"body", "Expect: 100-continue")[:-4])
        assert b" 100 " in await wire.reader.readuntil(b"\r\n\r\n")
        wire.send(b"body")
        assert (await wire.answer()).body == b"body"

    talk(about)


@pytest.mark.parametrize(
    "request_", [ask(b"a", "Connection: close"), ask(b"a", version="1.0")]
)
def test_a_client_that_wants_no_more_is_let_go(request_: bytes) -> None:
    async def about(wire: Wire) -> None:
        wire.send(request_)
        answer = await wire.answer()
        assert (answer.body, answer.headers["connection"]) == (b"a", "close")
        assert await wire.ended()

    talk(about)


def test_a_body_that_does_not_come_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fdo_protocol, "BODY_SECONDS", 0.05)

    async def about(wire: Wire) -> None:
        wire.send(ask(b"body")[:-1])
        answer = await wire.answer()
        assert (answer.status, ErrorMessage.from_cbor(answer.body).code) == (500, 100)
        assert answer.headers["connection"] == "close"
        assert await wire.ended()
        assert not wire.echo.arrivals

    talk(about)


def test_a_message_that_has_begun_is_answered_before_the_server_stops() -> None:
    async def about(wire: Wire) -> None:
        await until(lambda: bool(wire.server.server_state.connections))
        wire.send(ask(b"body")[:-1])
        await asyncio.sleep(0.1)
        wire.server.should_exit = True
        await asyncio.sleep(0.3)
        wire.send(b"y")
        answer = await wire.answer()
        assert (answer.body, answer.headers["connection"]) == (b"body", "close")
        assert await wire.ended()

    talk(about)


def test_who_comes_too_often_is_told_when_to_come_again() -> None:
    async def about(wire: Wire) -> None:
        wire.send(ask())
        assert (await wire.answer()).status == 200
        wire.send(ask())
        answer = await wire.answer()
        message = ErrorMessage.from_cbor(answer.body)
        assert (answer.status, message.previous) == (500, 60)
        assert int(answer.headers["retry-after"]) > 0
        assert await wire.ended()

    talk(about, Buckets(Rate(0.01, 1), lambda: 0.0))


def test_behind_a_proxy_of_ours_the_address_is_the_one_it_names() -> None:
    import ipaddress

    async def about(wire: Wire) -> None:
        wire.send(ask(b"", "X-Forwarded-For: 198.51.100.7"))
        await wire.answer()
        assert [one.address for one in wire.echo.arrivals] == ["198.51.100.7"]

    talk(about, proxies=(ipaddress.ip_network("127.0.0.0/8"),))


def test_a_client_that_leaves_in_the_middle_is_forgotten() -> None:
    async def about(wire: Wire) -> None:
        wire.send(ask(b"body")[:-1])
        await until(lambda: bool(wire.server.server_state.connections))
        wire.writer.close()
        await until(lambda: not wire.server.server_state.connections)
        assert not wire.echo.arrivals

    talk(about)
