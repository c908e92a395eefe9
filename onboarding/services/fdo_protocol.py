"""FDO messages without ASGI: what came whole is answered where it was parsed.

A task, an event, a scope and two sends cost a message more than its cryptography
(docs/benchmarks.md); so of uvicorn's own protocol only the parser and the care for
connections are used for it. Whatever is out of the ordinary (chunked, behind a request
that is under way, refused before it is read, too slow a reader) goes uvicorn's way.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from onboarding.services.certified import CERTIFICATE
from onboarding.services.fdo_front import (
    MAX_BODY,
    BodyRefused,
    FdoFront,
    HttpAnswer,
    Target,
)
from onboarding.services.sources import Network, asked_from
from onboarding.services.transport import ABORT, BODY_SECONDS, FdoTransport, fits

_PREFIXES = (b"/fdo/", b"/line/")
_SPECIAL = frozenset({b"transfer-encoding", b"expect", b"upgrade"})


@dataclass(slots=True)
class _Message:
    """One message on its way in."""

    target: Target
    address: str
    keeps_alive: bool
    body: bytearray = field(default_factory=bytearray, repr=False)


class FdoProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol, and an answer at once to each whole FDO message."""

    front: FdoFront
    proxies: Sequence[Network] = ()
    _message: _Message | None = None
    _late: asyncio.TimerHandle | None = None
    _stopping = False
    _working = False  # a thread has a message of this connection
    _overrun = False  # and another one came meanwhile

    def data_received(self, data: bytes) -> None:
        """Parse; a message that has begun must be whole before long."""
        super().data_received(data)
        if self._message is not None and self._late is None:
            self._late = self.loop.call_later(BODY_SECONDS, self._too_late)

    def on_headers_complete(self) -> None:
        """Take the message, or leave it to ASGI."""
        if self._working:
            self._overrun = True
            return
        self._message = self._begun() if self.url.startswith(_PREFIXES) else None
        if self._message is None:
            self._tell_more()
            super().on_headers_complete()

    def _tell_more(self) -> None:
        """Tell the application what certificate was shown, and how to drop the line."""
        scope = cast("dict[str, object]", self.scope)
        scope[ABORT] = self.transport.abort
        tls = self.transport.get_extra_info("ssl_object")
        shown = None if tls is None else tls.getpeercert(binary_form=True)
        if shown is not None:
            scope[CERTIFICATE] = shown

    def on_body(self, body: bytes) -> None:
        """Gather what ``on_headers_complete`` found to be small enough."""
        if self._message is not None:
            self._message.body += body
        elif not self._working:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Answer it."""
        message = self._message
        if message is None:
            if not self._working:
                super().on_message_complete()
            return
        self._forget()
        asked = message.target, bytes(message.body), self.headers, message.address
        if message.target.apart:
            self._hand_over(message, partial(self.front.answer, *asked))
        else:
            answer = self.front.answer(*asked)
            self._write(answer, keeps_alive=message.keeps_alive)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody waits for the answer any more."""
        self._forget()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Close once the message under way is answered."""
        self._stopping = True
        if self._message is None and not self._working:
            super().shutdown()

    def _hand_over(self, message: _Message, work: Callable[[], HttpAnswer]) -> None:
        """Let a thread answer; nothing else is read from the peer until it has."""
        self._working = True
        self.flow.pause_reading()
        answering = self.loop.run_in_executor(None, work)
        self.tasks.add(cast("asyncio.Task[None]", answering))
        answering.add_done_callback(partial(self._answered, message))

    def _answered(self, message: _Message, done: asyncio.Future[HttpAnswer]) -> None:
        self.tasks.discard(cast("asyncio.Task[None]", done))
        self._working = False
        if done.cancelled() or self.transport.is_closing():
            self.transport.close()
            return
        # A request that was sent before this answer was not kept: its sender sees
        # the connection end, and may send it again.
        keeps_alive = message.keeps_alive and not self._overrun
        self._write(done.result(), keeps_alive=keeps_alive)

    def _begun(self) -> _Message | None:
        """What may be answered at once; None if it is anything else."""
        target = self.front.find(self.url)
        if target is None or self._is_special():
            return None
        address = self.client[0] if self.client else ""
        address = asked_from(address, self.headers, self.proxies)
        if self.front.wait(address):
            return None  # refused again, and told so, over there
        return _Message(target, address, self.parser.should_keep_alive())

    def _is_special(self) -> bool:
        if self.parser.get_method() != b"POST" or self.flow.write_paused:
            return True
        if self.cycle is not None and not self.cycle.response_complete:
            return True  # pipelined: its turn comes after that one's
        length = None
        for name, value in self.headers:
            if name in _SPECIAL:
                return True
            if name == b"content-length":
                length = value
        return length is None or not fits(length, MAX_BODY)

    def _too_late(self) -> None:
        message, self._late = self._message, None
        if message is not None:
            self._message = None
            error = BodyRefused("the message took too long to arrive")
            number, address = message.target.number, message.address
            refused = self.front.refusal(number, error, address)
            self._write(refused, keeps_alive=False)

    def _forget(self) -> None:
        self._message = None
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _write(self, answer: HttpAnswer, *, keeps_alive: bool) -> None:
        lines = [STATUS_LINE[answer.status]]
        for name, value in (*self.server_state.default_headers, *answer.headers):
            lines += (name, b": ", value, b"\r\n")
        ends = self._stopping or not keeps_alive
        if ends and not answer.closes:
            lines.append(b"connection: close\r\n")
        lines += (b"\r\n", answer.body)
        self.transport.write(b"".join(lines))
        if ends or answer.closes:
            self.transport.close()
        self.on_response_complete()


def protocol_of(app: FdoTransport) -> type[FdoProtocol]:
    """Return the protocol that takes messages to where ``app`` takes them."""
    members = {"front": app.front, "proxies": app.proxies}
    return type("FdoProtocolOfApp", (FdoProtocol,), members)
