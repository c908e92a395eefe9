"""The FDO route: bytes in, bytes out, in front of everything else.

No CBOR, no crypto, no SQL here. It stands before FastAPI because a route of
FastAPI costs as much as the message itself. This module holds the one broad
``except``: whatever a message causes, the peer gets an ErrorMessage.

Source: FDO 1.1, section 4.3 (HTTP binding).
"""

import asyncio
import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from onboarding.protocol.errors import (
    ProtocolError,
    Unsupported,
    error_code,
    error_message,
)
from onboarding.wire.message import MsgType
from ownership_vouchers.errors import MalformedError, VoucherError

MAX_BODY = 65535
BODY_SECONDS = 30.0
_HEAVY = frozenset({int(MsgType.TO0_OWNER_SIGN)})  # verifies a whole voucher
_PREFIX = "/fdo/"
_LINES = "/line/"
_LINE = re.compile(rb"/line/([a-z0-9][a-z0-9-]{0,63})(/fdo/.*)")
_MESSAGE = re.compile(rb"/fdo/(0|[1-9][0-9]{0,4})/msg/(0|[1-9][0-9]{0,2})")
_LINE_KEY = b"vouchgate-line-key"
_CBOR = (b"content-type", b"application/cbor")
_PROBLEM = (b"content-type", b"application/problem+json")

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FdoResponse:
    """One answer; ``authorization`` is there in a run's first, where it is made."""

    message_type: int
    body: bytes = field(repr=False)
    authorization: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Arrival:
    """The way by which a message came, none of which its peer has proved.

    ``line`` is the production line in the path, None at the root; ``key`` what was
    sent as that line's; ``address`` where the connection is from.
    """

    line: str | None = None
    key: str | None = field(default=None, repr=False)
    address: str = ""


DIRECT = Arrival()


class MessageHandler(Protocol):
    """What takes one protocol version's messages. Synchronous; safe in any thread."""

    def handle(
        self,
        number: int,
        body: bytes,
        authorization: str | None,
        arrival: Arrival = DIRECT,
    ) -> FdoResponse:
        """Answer one message, or raise what `error_message` can map."""

    def peer_error(self, body: bytes, authorization: str | None) -> None:
        """Take note that the peer ended its run with an ErrorMessage."""


class _Disconnected(Exception):
    """The client went away before its body was complete."""


class _BodyRefused(MalformedError):
    """The body is too large or too slow; the rest of it is not waited for."""


class FdoTransport:
    """An ASGI application: FDO messages to their handler, the rest to ``app``.

    Args:
        handlers: By protocol version. A message of another one is refused as any
            message is, with error 101: a peer that speaks several tries its next.
        offload: Run the handler in a thread: for stores across a network, which
            would hold up the event loop.
        refused: Told the FDO error code of each refusal.
    """

    def __init__(
        self,
        app: AsgiApp,
        handlers: Mapping[int, MessageHandler],
        *,
        offload: bool = False,
        refused: Callable[[str], None] | None = None,
    ) -> None:
        self._app = app
        self._paths = {
            f"{_PREFIX}{version}/msg/{number}".encode(): (handler, number)
            for version, handler in handlers.items()
            for number in range(256)
        }
        self._offload = offload
        self._refused = refused or (lambda _code: None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith((_PREFIX, _LINES)):
            await self._message(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _message(self, scope: Scope, receive: Receive, send: Send) -> None:
        line, path = _line_of(scope.get("raw_path") or scope["path"].encode())
        found = self._paths.get(path) or _of_no_version(path)
        if found is None:
            await _problem(send, 404, "not-found", "No FDO message has this path.")
            return
        if scope["method"] != "POST":
            await _problem(send, 405, "method-not-allowed", "FDO messages are POSTed.")
            return
        authorization, length, key = _headers(scope)
        handler, number = found
        arrival = Arrival(line, key, _address(scope))
        try:
            body = await _read_body(receive, length)
            reply = await self._answer(handler, number, body, authorization, arrival)
        except _Disconnected:
            return
        except Exception as error:  # noqa: BLE001 - the boundary: all become type 255
            self._refused(str(int(error_code(error))))
            await _error(send, number, error)
            return
        await _reply(send, reply, authorization)

    async def _answer(
        self,
        handler: MessageHandler,
        number: int,
        body: bytes,
        authorization: str | None,
        arrival: Arrival,
    ) -> FdoResponse | None:
        if number == MsgType.ERROR:
            handler.peer_error(body, authorization)
            return None
        message = number, body, authorization, arrival
        if self._offload or number in _HEAVY:
            return await asyncio.to_thread(handler.handle, *message)
        return handler.handle(*message)


class _NoVersion:
    """Takes the messages of every version that is not spoken here."""

    def handle(
        self,
        _number: int,
        _body: bytes,
        _authorization: str | None,
        _arrival: Arrival = DIRECT,
    ) -> FdoResponse:
        """Refuse it; the peer can read that in any version."""
        raise Unsupported("this service does not speak that protocol version")

    def peer_error(self, _body: bytes, _authorization: str | None) -> None:
        """There is no run that it could end."""


_NO_VERSION = _NoVersion()


def _of_no_version(path: bytes) -> tuple[MessageHandler, int] | None:
    """Who refuses a message that we know by its path only; None if it is none."""
    found = _MESSAGE.fullmatch(path)
    if found is None or int(found[2]) > 255:
        return None
    return _NO_VERSION, int(found[2])


def _line_of(path: bytes) -> tuple[str | None, bytes]:
    """Cut the production line off a path, if it begins with one."""
    found = _LINE.fullmatch(path)
    return (None, path) if found is None else (found[1].decode(), found[2])


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return client[0] if client else ""


def _headers(scope: Scope) -> tuple[str | None, bytes | None, str | None]:
    authorization: str | None = None
    length: bytes | None = None
    key: str | None = None
    for name, value in scope["headers"]:
        if name == b"authorization":
            authorization = value.decode("latin-1")
        elif name == b"content-length":
            length = value
        elif name == _LINE_KEY:
            key = value.decode("latin-1")
    return authorization, length, key


async def _read_body(receive: Receive, length: bytes | None) -> bytes:
    """Read the body, however its length was announced, up to the limit."""
    if length is not None and not _fits(length):
        raise _BodyRefused(f"a message is at most {MAX_BODY} bytes long")
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _collect(receive)
    except TimeoutError as error:
        raise _BodyRefused("the message took too long to arrive") from error


def _fits(length: bytes) -> bool:
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
            raise _BodyRefused(f"a message is at most {MAX_BODY} bytes long")
        if not event.get("more_body", False):
            return body


async def _reply(send: Send, reply: FdoResponse | None, given: str | None) -> None:
    if reply is None:
        await _send(send, 200, b"", [])
        return
    headers = [_CBOR, (b"message-type", str(reply.message_type).encode())]
    headers += _token(reply.authorization or given)
    await _send(send, 200, reply.body, headers)


def _token(authorization: str | None) -> list[tuple[bytes, bytes]]:
    """The run's token, in each of its answers: one peer reads none without it.

    A refusal has none: it ends the run, or it was none of this run's.
    """
    if authorization is None:
        return []
    return [(b"authorization", authorization.encode("latin-1"))]


async def _error(send: Send, number: int, error: Exception) -> None:
    correlation = secrets.randbits(32)
    if isinstance(error, ProtocolError | VoucherError):
        log.info("[%08x] message %d refused: %s", correlation, number, error)
    else:
        log.exception("[%08x] message %d failed", correlation, number)
    body = error_message(error, number, int(time.time()), correlation)
    headers = [_CBOR, (b"message-type", b"255")]
    if isinstance(error, _BodyRefused):
        headers.append((b"connection", b"close"))
    await _send(send, 500, body, headers)


async def _problem(send: Send, status: int, code: str, detail: str) -> None:
    body = (
        f'{{"type":"urn:vouchgate:problem:{code}","status":{status},'
        f'"code":"{code}","detail":"{detail}"}}'
    ).encode()
    headers = [_PROBLEM, (b"allow", b"POST")] if status == 405 else [_PROBLEM]
    await _send(send, status, body, headers)


async def _send(
    send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]]
) -> None:
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
