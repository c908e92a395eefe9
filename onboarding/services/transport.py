"""FDO messages over ASGI, in front of everything else.

It stands before FastAPI because a route of FastAPI costs as much as the message
itself. Under uvicorn most messages do not even come this way: see ``fdo_protocol``.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

from onboarding.services.fdo_front import (
    MAX_BODY,
    PREFIXES,
    BodyRefused,
    FdoFront,
    HttpAnswer,
    problem,
)
from onboarding.services.sources import Network, asked_from

BODY_SECONDS = 30.0

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
            body = await _read_body(receive, scope["headers"])
        except _Disconnected:
            return
        except BodyRefused as error:
            await _send(send, self.front.refusal(target.number, error))
            return
        message = target, body, scope["headers"], address
        if target.apart:
            await _send(send, await asyncio.to_thread(self.front.answer, *message))
        else:
            await _send(send, self.front.answer(*message))


async def _read_body(receive: Receive, headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Read the body, however its length was announced, up to the limit."""
    length = dict(headers).get(b"content-length")
    if length is not None and not fits(length):
        raise BodyRefused(f"a message is at most {MAX_BODY} bytes long")
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _collect(receive)
    except TimeoutError as error:
        raise BodyRefused("the message took too long to arrive") from error


def fits(length: bytes) -> bool:
    """Whether a Content-Length is one of a message."""
    return length.isdigit() and len(length) <= 5 and int(length) <= MAX_BODY


async def _collect(receive: Receive) -> bytes:
    body = b""
    while True:
        event = await receive()
        if event["type"] != "http.request":
            raise _Disconnected
        chunk: bytes = event.get("body", b"")
        body += chunk
        if len(body) > MAX_BODY:
            raise BodyRefused(f"a message is at most {MAX_BODY} bytes long")
        if not event.get("more_body", False):
            return body


async def _send(send: Send, answer: HttpAnswer) -> None:
    start = {"type": "http.response.start", "status": answer.status}
    await send({**start, "headers": answer.headers})
    await send({"type": "http.response.body", "body": answer.body})
