"""TCP and TLS under our HTTP clients: through one network interface, and in time.

An HTTP library bounds each wait by itself, so a peer that sends a byte now and then
is waited for by the day. Here all that a thread waits for can be bounded as a whole.
"""

import select
import socket
import ssl
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import httpcore

BIND = getattr(socket, "SO_BINDTODEVICE", None)
"""The option that binds a socket to an interface; None where the system has none."""

_END: ContextVar[float | None] = ContextVar("end", default=None)  # monotonic


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Have all that this thread sends and receives in here end in time, together.

    What does not raises the timeouts of the HTTP library, as a single wait would.
    """
    end, before = time.monotonic() + seconds, _END.get()
    token = _END.set(end if before is None else min(end, before))
    try:
        yield
    finally:
        _END.reset(token)


def _left(timeout: float | None) -> float | None:
    """Return how long one wait may take. Raises TimeoutError: no longer at all."""
    end = _END.get()
    if end is None:
        return timeout
    left = end - time.monotonic()
    if left <= 0:
        raise TimeoutError("it took too long in all")
    return left if timeout is None else min(timeout, left)


class Network(httpcore.NetworkBackend):
    """Connections that take the interface of that name; any, if it is None.

    A socket is bound before it connects, so that nothing leaves by another interface,
    whatever the routes say; Linux asks no privilege for it since 5.7.
    """

    def __init__(self, through: str | None = None) -> None:
        self._through = through

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address of ``host`` that answers."""
        with _told_as(httpcore.ConnectTimeout, httpcore.ConnectError):
            return Stream(self._connected(host, port, timeout))

    def _connected(self, host: str, port: int, timeout: float | None) -> socket.socket:
        failed = OSError("the name has no address")
        for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            opened = socket.socket(*found[:3])
            try:
                self._bind(opened)
                opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                opened.settimeout(_left(timeout))
                opened.connect(found[4])
            except OSError as error:
                opened.close()
                failed = error
            else:
                return opened
        raise failed

    def _bind(self, opened: socket.socket) -> None:
        if self._through is None:
            return
        if BIND is None:
            raise OSError("no connection can be bound to an interface here")
        opened.setsockopt(socket.SOL_SOCKET, BIND, self._through.encode() + b"\0")


class Stream(httpcore.NetworkStream):
    """One connection over a socket, in clear or under TLS."""

    def __init__(self, opened: socket.socket) -> None:
        self._socket = opened

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return what there is, up to ``max_bytes``; nothing at the end."""
        with _told_as(httpcore.ReadTimeout, httpcore.ReadError):
            self._socket.settimeout(_left(timeout))
            return self._socket.recv(max_bytes)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all of it."""
        with _told_as(httpcore.WriteTimeout, httpcore.WriteError):
            rest = memoryview(buffer)
            while rest:
                self._socket.settimeout(_left(timeout))
                rest = rest[self._socket.send(rest) :]

    def close(self) -> None:
        self._socket.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        """Go on under TLS, after the handshake; or not at all."""
        try:
            with _told_as(httpcore.ConnectTimeout, httpcore.ConnectError):
                self._socket.settimeout(_left(timeout))
                return Stream(
                    ssl_context.wrap_socket(
                        self._socket, server_hostname=server_hostname
                    )
                )
        except BaseException:
            self.close()
            raise

    def get_extra_info(self, info: str) -> object:
        """What the HTTP library asks of its connections, by its names."""
        match info:
            case "socket":
                return self._socket
            case "ssl_object":
                return self._socket if isinstance(self._socket, ssl.SSLSocket) else None
            case "client_addr":
                return self._socket.getsockname()
            case "server_addr":
                return self._socket.getpeername()
            case "is_readable":
                return _is_readable(self._socket)
        return None


def _is_readable(opened: socket.socket) -> bool:
    """Whether something came, or the end: a kept connection is of no use then."""
    if opened.fileno() < 0:
        return True
    waiting = select.poll()
    waiting.register(opened, select.POLLIN)
    return bool(waiting.poll(0))


@contextmanager
def _told_as(late: type[Exception], failed: type[Exception]) -> Iterator[None]:
    """Turn the system's errors into those of the HTTP library."""
    try:
        yield
    except TimeoutError as error:
        raise late(str(error)) from error
    except (OSError, UnicodeError) as error:
        raise failed(str(error)) from error
