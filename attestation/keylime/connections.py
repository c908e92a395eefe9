"""Kept connections to Keylime under httpx: what an appraisal asks goes over them.

An exchange over httpx' own transport costs an owner more than the signatures that it
checks. Here a request is one write, and its answer is read by the parser that our
servers read requests with. HTTP/1.1 only, no proxy, nothing followed.
"""

import re
import select
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httptools
import httpx

MAX_HEAD = 64 * 1024  # bytes of an answer before its body
KEPT, KEPT_SECONDS = 20, 15.0  # idle connections to one server, and for how long
_PIECE = 64 * 1024
_PORTS = {"http": 80, "https": 443}
_UNFIT = re.compile(rb"[\0\r\n]")
_NO_BODY = frozenset({"HEAD", "CONNECT"})  # to them an answer has another form

Origin = tuple[str, str, int]  # scheme, host, port


class Connections(httpx.BaseTransport):
    """A transport that keeps connections; safe in any thread. Close it.

    Each wait ends in the time that the request gives for it (``timeout``).

    Args:
        context: Of TLS, for ``https``.
        clock: Seconds, never going back.
    """

    def __init__(
        self, context: ssl.SSLContext, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._context = context
        self._clock = clock
        self._idle: dict[Origin, deque[tuple[float, Connection]]] = {}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; return the answer's head, its body still to be read.

        Raises:
            httpx.TransportError: There is no answer, or none that can be read.
        """
        waits = _Waits(**request.extensions.get("timeout", {}))
        asked = _written(request)
        origin = _origin(request.url)
        connection = self._taken(origin) or self._opened(origin, waits)
        try:
            answer = connection.exchange(asked, request.read(), waits)
        except BaseException:
            connection.close()
            raise
        stream = _Body(answer, lambda: self._done(origin, connection, answer))
        return httpx.Response(answer.status, headers=answer.headers, stream=stream)

    def close(self) -> None:
        """Close what is idle."""
        while self._idle:
            _, kept = self._idle.popitem()
            while kept:
                kept.pop()[1].close()

    def _taken(self, origin: Origin) -> "Connection | None":
        """The connection that was used last, if it is of use still."""
        kept, now = self._idle.get(origin, ()), self._clock()
        while kept:
            try:
                since, connection = kept.pop()
            except IndexError:  # another thread had it
                return None
            if now - since < KEPT_SECONDS and connection.is_quiet:
                return connection
            connection.close()
        return None

    def _opened(self, origin: Origin, waits: "_Waits") -> "Connection":
        scheme, host, port = origin
        with _told(httpx.ConnectTimeout, httpx.ConnectError):
            opened = socket.create_connection((host, port), waits.connect)
            try:
                opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if scheme == "https":
                    opened = self._context.wrap_socket(opened, server_hostname=host)
            except BaseException:
                opened.close()
                raise
        return Connection(opened)

    def _done(
        self, origin: Origin, connection: "Connection", answer: "_Answer"
    ) -> None:
        kept = self._idle.setdefault(origin, deque())
        if answer.may_be_followed and len(kept) < KEPT:
            kept.append((self._clock(), connection))
        else:
            connection.close()


@dataclass(frozen=True, slots=True)
class _Waits:
    """Seconds for each wait, by the names that httpx has for them; None: no end."""

    connect: float | None = None
    read: float | None = None
    write: float | None = None
    pool: float | None = None  # nothing is waited for there


class Connection:
    """One connection, with one exchange after the other."""

    def __init__(self, opened: socket.socket) -> None:
        self._socket = opened
        self._waiting = select.poll()
        self._waiting.register(opened, select.POLLIN)

    @property
    def is_quiet(self) -> bool:
        """Whether nothing came unasked, which may be the end of it."""
        return not self._waiting.poll(0)

    def exchange(self, head: bytes, body: bytes, waits: _Waits) -> "_Answer":
        """Send a request; return its answer, read as far as its headers."""
        failed = None
        try:
            self._send(head + body if len(body) < _PIECE else head, waits)
            if len(body) >= _PIECE:
                self._send(body, waits)
        except httpx.WriteError as error:
            failed = error  # a refusal may have come before all was sent
        answer = _Answer(lambda: self._received(waits))
        try:
            answer.read_head()
        except httpx.TransportError as error:
            raise failed or error from error
        if failed is not None:
            answer.close()
        return answer

    def _send(self, data: bytes, waits: _Waits) -> None:
        with _told(httpx.WriteTimeout, httpx.WriteError):
            self._socket.settimeout(waits.write)
            rest = memoryview(data)
            while rest:
                rest = rest[self._socket.send(rest) :]

    def _received(self, waits: _Waits) -> bytes:
        with _told(httpx.ReadTimeout, httpx.ReadError):
            self._socket.settimeout(waits.read)
            return self._socket.recv(_PIECE)

    def close(self) -> None:
        self._socket.close()


@dataclass(eq=False)
class _Answer:
    """One answer on its way in. The parser calls what begins with ``on_``."""

    receive: Callable[[], bytes]
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    status: int = 0
    _pieces: deque[bytes] = field(default_factory=deque)
    _begun: int = 0
    _whole: bool = False
    _closes: bool = False

    def __post_init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)

    @property
    def may_be_followed(self) -> bool:
        """Whether the connection may have another exchange after this one."""
        return self._whole and not self._closes

    def read_head(self) -> None:
        """Read as far as the headers' end, which fixes ``status``."""
        taken = 0
        while not self.status:
            taken += self._more()
            if taken > MAX_HEAD and not self.status:
                raise httpx.RemoteProtocolError("its answer has no end of headers")

    def pieces(self) -> Iterator[bytes]:
        """Yield the body as it comes; what was yielded counts when this ends."""
        while True:
            while self._pieces:
                yield self._pieces.popleft()
            if self._whole:
                return
            self._more()

    def close(self) -> None:
        """Have nothing follow it on its connection."""
        self._closes = True

    def _more(self) -> int:
        data = self.receive()
        if not data:
            raise httpx.RemoteProtocolError("the connection ended before its answer")
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            raise httpx.RemoteProtocolError(f"no HTTP: {error}") from error
        except httptools.HttpParserUpgrade as error:
            raise httpx.RemoteProtocolError(
                "it would speak another protocol"
            ) from error
        if self._begun > 1 or 0 < self.status < 200:
            raise httpx.RemoteProtocolError("it answers what was not asked")
        return len(data)

    def on_message_begin(self) -> None:
        self._begun += 1

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        self._pieces.append(body)

    def on_message_complete(self) -> None:
        self._whole = True
        self._closes = self._closes or not self._parser.should_keep_alive()


class _Body(httpx.SyncByteStream):
    """What is left of an answer; its connection is free when that is closed."""

    def __init__(self, answer: _Answer, done: Callable[[], None]) -> None:
        self._answer = answer
        self._done: Callable[[], None] | None = done

    def __iter__(self) -> Iterator[bytes]:
        return self._answer.pieces()

    def close(self) -> None:
        done, self._done = self._done, None
        if done is not None:
            done()


def _origin(url: httpx.URL) -> Origin:
    usual = _PORTS.get(url.scheme)
    if usual is None:
        raise httpx.UnsupportedProtocol(f"{url.scheme}: is not spoken here")
    return url.scheme, url.host, url.port or usual


def _written(request: httpx.Request) -> bytes:
    """The request as it is sent, but for its body."""
    if request.method in _NO_BODY or "transfer-encoding" in request.headers:
        raise httpx.LocalProtocolError("such a request is not made here")
    lines = [b"%b %b HTTP/1.1" % (request.method.encode(), request.url.raw_path)]
    lines += (b"%b: %b" % one for one in request.headers.raw)
    if any(map(_UNFIT.search, lines)) or lines[0].count(b" ") != 2:
        raise httpx.LocalProtocolError("a header or a path that HTTP cannot say")
    return b"\r\n".join((*lines, b"", b""))


@contextmanager
def _told(late: type[Exception], failed: type[Exception]) -> Iterator[None]:
    """Turn the system's errors into those of httpx."""
    try:
        yield
    except TimeoutError as error:
        raise late(str(error)) from error
    except (OSError, UnicodeError) as error:
        raise failed(str(error)) from error
