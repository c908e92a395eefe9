"""HTTP clients for Keylime: as administrator, and on behalf of a device."""

import ssl

import httpx

from attestation.keylime.settings import KeylimeSettings

# One verifier answers in a single event loop, so a busy one makes us wait.
READ_SECONDS, CONNECT_SECONDS = 30.0, 5.0
TIMEOUT = httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS)


def admin_http(settings: KeylimeSettings) -> httpx.Client:
    """Return a client that is administrator of both programs (mTLS). Close it."""
    context = _context(settings)
    context.load_cert_chain(settings.cert, settings.key)
    return _client(context)


def device_http(settings: KeylimeSettings) -> httpx.Client:
    """Return a client without certificate, to carry a device's own calls. Close it.

    Never forward a device's request with ``admin_http``: one that lacks its bearer
    token would then be answered as if we had asked.
    """
    return _client(_context(settings))


def _context(settings: KeylimeSettings) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(settings.ca))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _client(context: ssl.SSLContext) -> httpx.Client:
    # Proxy and certificate variables of the environment are not for this traffic.
    return httpx.Client(
        verify=context, trust_env=False, timeout=TIMEOUT, follow_redirects=False
    )
