"""A real uvicorn that serves our protocol, and one connection to it."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from threading import Event, get_ident
from typing import Any

import uvicorn

from onboarding.services.fdo_front import (
    DIRECT,
    Arrival,
    FdoFront,
    FdoResponse,
)
from onboarding.services.fdo_protocol import protocol_of
from onboarding.services.rates import Buckets
from onboarding.services.transport import FdoTransport

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
