"""HTTP to servers that are strangers until they have shown who they are.

Nothing is followed or read from the environment; an answer costs no more than the
bytes that came and the time it was given.
"""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import httpcore
import httpx

from attestation.plain_answer import PLAIN, pieces
from onboarding.net_stream import Network, within

__all__ = ["client", "pieces", "within"]

_CONNECTIONS, _KEPT, _KEPT_SECONDS = 100, 20, 5.0


def client(
    context: ssl.SSLContext,
    through: str | None = None,
    timeout: httpx.Timeout | float = 5.0,
) -> httpx.Client:
    """Return a client that follows no redirect and reads no proxy from outside.

    Args:
        through: The network interface that all goes through; None for any.
        timeout: Of each wait, in seconds; ``within`` bounds all of them together.
    """
    return httpx.Client(
        transport=Transport(context, through),
        headers=PLAIN,
        timeout=timeout,
        follow_redirects=False,
        trust_env=False,
    )


class Transport(httpx.BaseTransport):
    """HTTP/1.1 over connections of ``net_stream``."""

    def __init__(self, context: ssl.SSLContext, through: str | None = None) -> None:
        self._pool = httpcore.ConnectionPool(
            context,
            max_connections=_CONNECTIONS,
            max_keepalive_connections=_KEPT,
            keepalive_expiry=_KEPT_SECONDS,
            network_backend=Network(through),
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; return the answer's head, its body still to be read."""
        url = request.url
        asked = httpcore.Request(
            request.method,
            httpcore.URL(
                scheme=url.raw_scheme,
                host=url.raw_host,
                port=url.port,
                target=url.raw_path,
            ),
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        with _told():
            answer = self._pool.handle_request(asked)
        return httpx.Response(
            answer.status,
            headers=answer.headers,
            stream=_Body(answer),
            extensions=answer.extensions,
        )

    def close(self) -> None:
        self._pool.close()


class _Body(httpx.SyncByteStream):
    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        with _told():
            yield from self._answer.iter_stream()

    def close(self) -> None:
        self._answer.close()


_ERRORS: dict[type[Exception], type[httpx.TransportError]] = {
    httpcore.ConnectTimeout: httpx.ConnectTimeout,
    httpcore.ReadTimeout: httpx.ReadTimeout,
    httpcore.WriteTimeout: httpx.WriteTimeout,
    httpcore.PoolTimeout: httpx.PoolTimeout,
    httpcore.ConnectError: httpx.ConnectError,
    httpcore.ReadError: httpx.ReadError,
    httpcore.WriteError: httpx.WriteError,
    httpcore.UnsupportedProtocol: httpx.UnsupportedProtocol,
    httpcore.LocalProtocolError: httpx.LocalProtocolError,
    httpcore.RemoteProtocolError: httpx.RemoteProtocolError,
}


@contextmanager
def _told() -> Iterator[None]:
    """Turn the errors of what is below into those that callers know."""
    try:
        yield
    except tuple(_ERRORS) as error:
        raise _ERRORS[type(error)](str(error)) from error
