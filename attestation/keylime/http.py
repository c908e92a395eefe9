"""The ways to Keylime: as administrator, and on behalf of a device."""

import ssl
from collections.abc import Callable
from contextlib import AbstractContextManager

import httpx

from attestation.keylime.settings import KeylimeSettings
from attestation.plain_answer import PLAIN

# One verifier answers in a single event loop, so a busy one makes us wait.
READ_SECONDS, CONNECT_SECONDS = 30.0, 5.0
TIMEOUT = httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS)

Answered = Callable[[int], None]  # told the status, once the answer begins
Watch = Callable[[httpx.Request], AbstractContextManager[Answered]]


class _Watched(httpx.BaseTransport):
    """A transport whose calls are held by ``watch`` until their answers begin."""

    def __init__(self, inner: httpx.BaseTransport, watch: Watch) -> None:
        self._inner = inner
        self._watch = watch

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        with self._watch(request) as answered:
            response = self._inner.handle_request(request)
            answered(response.status_code)
        return response

    def close(self) -> None:
        self._inner.close()


def admin_transport(
    settings: KeylimeSettings, watch: Watch | None = None
) -> httpx.BaseTransport:
    """Return the way to both programs as their administrator (mTLS). Close it."""
    context = _context(settings)
    context.load_cert_chain(settings.cert, settings.key)
    return _transport(context, watch)


def device_transport(
    settings: KeylimeSettings, watch: Watch | None = None
) -> httpx.BaseTransport:
    """Return the way to both without a certificate. Close it."""
    return _transport(_context(settings), watch)


def admin_http(settings: KeylimeSettings) -> httpx.Client:
    """Return a client that is administrator of both programs. Close it."""
    return _client(admin_transport(settings))


def device_http(settings: KeylimeSettings, watch: Watch | None = None) -> httpx.Client:
    """Return a client without certificate, to carry a device's own calls. Close it.

    Never forward a device's request with ``admin_http``: one that lacks its bearer
    token would then be answered as if we had asked.
    """
    return _client(device_transport(settings, watch))


def _context(settings: KeylimeSettings) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(settings.ca))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _transport(context: ssl.SSLContext, watch: Watch | None) -> httpx.BaseTransport:
    # Services that have no Keylime are spared a MiB of urllib3.
    from attestation.keylime.connections import Connections

    plain = Connections(context)
    return plain if watch is None else _Watched(plain, watch)


def _client(transport: httpx.BaseTransport) -> httpx.Client:
    # Proxy and certificate variables of the environment are not for this traffic.
    return httpx.Client(
        transport=transport,
        headers=PLAIN,
        trust_env=False,
        timeout=TIMEOUT,
        follow_redirects=False,
    )
