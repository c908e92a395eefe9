"""Kept connections to Keylime under httpx: what an appraisal asks goes over them.

An exchange over httpx' own transport costs an owner more than the signatures that it
checks; over urllib3's pools it costs a third. Nothing is tried twice, followed, sent
through a proxy or unpacked.
"""

import io
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from urllib3 import BaseHTTPResponse, Timeout
from urllib3 import exceptions as faults
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util import SKIP_HEADER

KEPT = 20  # idle connections to one server
WRITE_SECONDS = 30.0  # for each piece of a request; a busy verifier reads late
_PIECE = 64 * 1024


class Connections(httpx.BaseTransport):
    """A transport that keeps connections; safe in any thread. Close it.

    A connection, and each piece of an answer, is waited for as long as the request says
    (``timeout``); each piece of the request itself may take WRITE_SECONDS.

    Args:
        context: Of TLS, for ``https``.
    """

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        self._pools: dict[tuple[str, str, int | None], HTTPConnectionPool] = {}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; return the answer's head, its body still to be read.

        Raises:
            httpx.TransportError: There is no answer, or none that can be read.
        """
        waits, body = request.extensions.get("timeout", {}), request.read()
        with _told():
            answer = self._pool(request.url).urlopen(
                request.method,
                request.url.raw_path.decode("ascii"),
                io.BytesIO(body) if len(body) > _PIECE else body or None,
                _headers(request),
                timeout=Timeout(connect=waits.get("connect"), read=waits.get("read")),
                redirect=False,
                preload_content=False,
                decode_content=False,
            )
        return httpx.Response(
            answer.status, headers=[*answer.headers.items()], stream=_Body(answer)
        )

    def close(self) -> None:
        """Close what is idle."""
        while self._pools:
            self._pools.popitem()[1].close()

    def _pool(self, url: httpx.URL) -> HTTPConnectionPool:
        origin = url.scheme, url.host, url.port
        return self._pools.get(origin) or self._pools.setdefault(
            origin, self._made(*origin)
        )

    def _made(self, scheme: str, host: str, port: int | None) -> HTTPConnectionPool:
        match scheme:
            case "http":
                return _Plain(host, port, maxsize=KEPT, retries=False)
            case "https":
                context = self._context
                return _Secret(
                    host, port, maxsize=KEPT, retries=False, ssl_context=context
                )
            case _:
                raise httpx.UnsupportedProtocol(f"{scheme}: is not spoken here")


class _Body(httpx.SyncByteStream):
    """What is left of an answer; its connection is free when that is closed."""

    def __init__(self, answer: BaseHTTPResponse) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        with _told():
            yield from self._answer.stream(_PIECE, decode_content=False)

    def close(self) -> None:
        self._answer.close()  # unless it was read to its end, so is its connection
        self._answer.release_conn()


class _PlainConnection(HTTPConnection):
    """Waits for the server to take each piece of a request, not to connect only."""

    def connect(self) -> None:
        super().connect()
        self.sock.settimeout(WRITE_SECONDS)


class _SecretConnection(HTTPSConnection):
    """The same over TLS."""

    def connect(self) -> None:
        super().connect()
        self.sock.settimeout(WRITE_SECONDS)


class _Plain(HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _Secret(HTTPSConnectionPool):
    ConnectionCls = _SecretConnection


def _headers(request: httpx.Request) -> dict[str, str]:
    """Its headers and no other: urllib3 would say what it is."""
    return {"user-agent": SKIP_HEADER, **request.headers}


@contextmanager
def _told() -> Iterator[None]:
    """Turn the errors of urllib3 into those of httpx."""
    try:
        yield
    except faults.HTTPError as error:
        said = str(error.__cause__ or error)
        raise _kind(error)(said) from error
    except ValueError as error:
        raise httpx.LocalProtocolError(str(error)) from error


def _kind(error: faults.HTTPError) -> type[httpx.TransportError]:
    match error:
        case faults.NewConnectionError() | faults.SSLError():
            return httpx.ConnectError
        case faults.ConnectTimeoutError():
            return httpx.ConnectTimeout
        case faults.ReadTimeoutError():
            return httpx.ReadTimeout
        case _:
            return httpx.RemoteProtocolError
