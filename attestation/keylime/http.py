"""HTTP clients for Keylime: as administrator, and on behalf of a device."""

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


def admin_http(settings: KeylimeSettings, watch: Watch | None = None) -> httpx.Client:
    """Return a client that is administrator of both programs (mTLS). Close it."""
    context = _context(settings)
    context.load_cert_chain(settings.cert, settings.key)
    return _client(context, watch)


def device_http(settings: KeylimeSettings, watch: Watch | None = None) -> httpx.Client:
    """Return a client without certificate, to carry a device's own calls. Close it.

    Never forward a device's request with ``admin_http``: one that lacks its bearer
    token would then be answered as if we had asked.
    """
    return _client(_context(settings), watch)


def _context(settings: KeylimeSettings) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(settings.ca))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _client(context: ssl.SSLContext, watch: Watch | None) -> httpx.Client:
    # Proxy and certificate variables of the environment are not for this traffic.
    plain = httpx.HTTPTransport(verify=context, trust_env=False)
    return httpx.Client(
        transport=plain if watch is None else _Watched(plain, watch),
        headers=PLAIN,
        trust_env=False,
        timeout=TIMEOUT,
        follow_redirects=False,
    )
