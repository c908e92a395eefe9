"""FDO messages over ASGI, in front of everything else.

It stands before FastAPI because a route of FastAPI costs as much as the message
itself. Under uvicorn most messages do not even come this way: see ``fdo_protocol``.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from typing import Any

from onboarding.services.fdo_front import (
    MAX_BODY,
    PREFIXES,
    BodyRefused,
    FdoFront,
    HttpAnswer,
    Target,
    problem,
)
from onboarding.services.sources import Network, asked_from

BODY_SECONDS = 30.0
LONG_AT_ONCE = 16  # messages over MAX_BODY, of all peers
ABORT = "vouchgate.abort"  # in a scope: drops the connection as it is

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]


class _Disconnected(Exception):
    """The client went away before its body was complete."""


class FdoTransport:
    """An ASGI application: FDO messages to ``front``, the rest to ``app``.

    Behind it ``client`` is who asked the outermost of ``proxies``, our own.
    """

    def __init__(
        self, app: AsgiApp, front: FdoFront, proxies: Sequence[Network] = ()
    ) -> None:
        self._app = app
        self.front = front
        self.proxies = tuple(proxies)
        self._long = 0  # long messages that are under way

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self.proxies:
            scope = self._behind(scope)
        if scope["path"].startswith(PREFIXES):
            await self._message(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _behind(self, scope: Scope) -> Scope:
        peer = scope.get("client")
        if not peer:
            return scope
        found = asked_from(peer[0], scope["headers"], self.proxies)
        return {**scope, "client": (found, peer[1] if found == peer[0] else 0)}

    async def _message(self, scope: Scope, receive: Receive, send: Send) -> None:
        target = self.front.find(scope.get("raw_path") or scope["path"].encode())
        if target is None:
            said = problem(404, "not-found", "No FDO message has this path.")
            await _send(send, said)
            return
        if scope["method"] != "POST":
            said = problem(405, "method-not-allowed", "FDO messages are POSTed.")
            await _send(send, said)
            return
        client = scope.get("client")
        address = client[0] if client else ""
        wait = self.front.wait(address)
        if wait:
            await _send(send, self.front.too_often(target, wait))
            return
        try:
            with self._room(target, dict(scope["headers"])) as limit:
                body = await _read_body(receive, limit)
                message = target, body, scope["headers"], address
                answer = await self._answer(*message)
        except _Disconnected:
            return
        except BodyRefused as error:
            answer = self.front.refusal(target.number, error, address)
        await _send(send, answer)

    async def _answer(self, target: Target, *message: Any) -> HttpAnswer:
        if target.apart:
            return await asyncio.to_thread(self.front.answer, target, *message)
        return self.front.answer(target, *message)

    @contextmanager
    def _room(self, target: Target, headers: dict[bytes, bytes]) -> Iterator[int]:
        """Make room for a body; how many bytes of it may come.

        A long one says so beforehand, and there are never many of them here.
        """
        length = headers.get(b"content-length")
        if length is None or fits(length, MAX_BODY):
            yield MAX_BODY
            return
        if not fits(length, target.limit):
            raise BodyRefused(f"this message is at most {target.limit} bytes long")
        if self._long >= LONG_AT_ONCE:
            raise BodyRefused("there are too many long messages already")
        self._long += 1
        try:
            yield target.limit
        finally:
            self._long -= 1


async def _read_body(receive: Receive, limit: int) -> bytes:
    """Read the body, however its length was announced, up to the limit."""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _collect(receive, limit)
    except TimeoutError as error:
        raise BodyRefused("the message took too long to arrive") from error


def fits(length: bytes, limit: int) -> bool:
    """Whether a Content-Length is one, and of at most ``limit`` bytes."""
    return length.isdigit() and len(length) <= 9 and int(length) <= limit


async def _collect(receive: Receive, limit: int) -> bytes:
    body = bytearray()
    while True:
        event = await receive()
        if event["type"] != "http.request":
            raise _Disconnected
        chunk: bytes = event.get("body", b"")
        body += chunk
        if len(body) > limit:
            raise BodyRefused(f"a message is at most {limit} bytes long")
        if not event.get("more_body", False):
            return bytes(body)


async def _send(send: Send, answer: HttpAnswer) -> None:
    start = {"type": "http.response.start", "status": answer.status}
    await send({**start, "headers": answer.headers})
    await send({"type": "http.response.body", "body": answer.body})
