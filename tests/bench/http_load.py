"""HTTP/1.1 over a few kept connections: as little client as a load needs."""

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from onboarding.protocol.step import Finished, Send
from onboarding.wire.message import MsgType

DeviceT = TypeVar("DeviceT")
ResultT = TypeVar("ResultT")


class Role(Protocol[ResultT]):
    """A device's role in DI, TO1 or TO2, as ``onboarding.protocol`` has it."""

    def start(self) -> Send:
        """Return the first message."""

    def receive(self, msg: MsgType, body: bytes) -> Send | Finished[ResultT]:
        """Take an answer; return the next message, or the result."""


class Connection:
    """One kept connection to one service on loopback; by TLS where ``tls`` is one."""

    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        self._port = port
        self._tls = tls
        self.sent = 0  # messages
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def post(
        self, message: int, body: bytes, token: str | None
    ) -> tuple[MsgType, bytes, str | None]:
        """Send one FDO message; return type, body and token of the answer."""
        head = (
            f"POST /fdo/101/msg/{message} HTTP/1.1\r\nHost: localhost\r\n"
            "Content-Type: application/cbor\r\n"
        )
        if token is not None:
            head += f"Authorization: {token}\r\n"
        answer, reply = await self._ask(head, body)
        headers = _headers(answer)
        fresh = headers.get(b"authorization")
        kind = MsgType(int(headers[b"message-type"]))
        return kind, reply, fresh.decode() if fresh else None

    async def send(self, path: str, body: bytes, kind: str) -> tuple[int, bytes]:
        """Post ``body`` of a content type; return status and body of the answer."""
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n"
        answer, reply = await self._ask(head, body)
        return int(answer.split(b" ", 2)[1]), reply

    async def _ask(self, head: str, body: bytes) -> tuple[bytes, bytes]:
        if self._writer is None or self._reader is None:
            self._reader, self._writer = await asyncio.open_connection(
                "127.0.0.1", self._port, ssl=self._tls
            )
        head += f"Content-Length: {len(body)}\r\n\r\n"
        self._writer.write(head.encode() + body)
        self.sent += 1
        answer = await self._reader.readuntil(b"\r\n\r\n")
        size = int(_headers(answer)[b"content-length"])
        return answer, await self._reader.readexactly(size)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


def _headers(answer: bytes) -> dict[bytes, bytes]:
    lines = answer.split(b"\r\n")[1:]
    pairs = (line.partition(b":") for line in lines if line)
    return {name.lower(): value.strip() for name, _, value in pairs}


async def run_role(connection: Connection, role: Role[ResultT]) -> ResultT:
    """Run a device's role to its end; return its result."""
    move = role.start()
    token: str | None = None
    while True:
        kind, body, fresh = await connection.post(int(move.type), move.body, token)
        token = token or fresh
        answer = role.receive(kind, body)
        if isinstance(answer, Finished):
            return answer.result
        move = answer


@dataclass(slots=True)
class Loaded:
    """Each device's latency in seconds, and how many messages all of them sent."""

    latencies: list[float] = field(default_factory=list)
    messages: int = 0


async def load(
    port: int,
    devices: Iterable[DeviceT],
    concurrency: int,
    one: Callable[[Connection, DeviceT], Awaitable[None]],
    tls: ssl.SSLContext | None = None,
) -> Loaded:
    """Take ``devices`` through ``one``, so many at a time."""
    waiting = iter(devices)
    loaded = Loaded()

    async def worker() -> None:
        connection = Connection(port, tls)
        for device in waiting:
            begun = time.perf_counter()
            await one(connection, device)
            loaded.latencies.append(time.perf_counter() - begun)
        loaded.messages += connection.sent
        connection.close()

    await asyncio.gather(*(worker() for _ in range(concurrency)))
    return loaded
