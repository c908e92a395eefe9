"""Keylime's notification of failures: over TLS, from whoever has its certificate.

A notification is a hint to look now, and words for a failure that the verifier owns up
to: what is stored is what it says when it is asked. One that is lost is made up for by
the next look, but for its words.
"""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import uvicorn

from attestation.keylime.errors import KeylimeError
from attestation.keylime.notification import read_notification
from onboarding.services import reconcile
from onboarding.services.context import Context
from onboarding.services.settings import Settings
from onboarding.services.transport import Receive, Scope, Send
from onboarding.store.errors import StoreError, StoreUnavailable
from ownership_vouchers.errors import VoucherError
from ownership_vouchers.types import Guid

MAX_BODY = 64 * 1024
_SAYS_NOTHING = (ValueError, RecursionError, KeylimeError, VoucherError, StoreError)
log = logging.getLogger(__name__)


class Webhook:
    """An ASGI application of one call; TLS has asked for the caller's certificate."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        status = 405
        if scope["method"] == "POST":
            body = await _bounded(receive)
            status = await asyncio.to_thread(self.take, body)
        headers = [(b"content-length", b"0")]
        await send(
            {"type": "http.response.start", "status": status, "headers": headers}
        )
        await send({"type": "http.response.body", "body": b""})

    def take(self, body: bytes | None) -> int:
        """Have the device looked at that a notification names; return the status."""
        if body is None:
            return 413
        try:
            told = read_notification(body)
            guid = Guid.parse(told.agent)
            # Only what is watched is looked at: this plans nothing for a stranger.
            binding = self._context.stores.bindings.get(guid.raw)
            stores, now = self._context.stores, self._context.now()
            reconcile.plan_told(stores, binding.guid, now, told.failure)
        except StoreUnavailable as error:
            log.warning("a notification that cannot be kept just now: %s", error)
            return 503  # Keylime comes again after a pause
        except _SAYS_NOTHING as error:
            log.warning("a notification that says nothing to us: %s", error)
        return 200


async def _bounded(receive: Receive) -> bytes | None:
    body = b""
    while True:
        message = await receive()
        body += bytes(message.get("body", b""))
        if len(body) > MAX_BODY:
            return None
        if not message.get("more_body") or message["type"] == "http.disconnect":
            return body


class _Listener(uvicorn.Server):
    """Runs beside the service's own server, which has the signals."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listener(context: Context, settings: Settings) -> uvicorn.Server:
    """A server that speaks with holders of a certificate of Keylime's authority."""
    assert settings.keylime_webhook_port is not None  # noqa: S101 - asked before
    return _Listener(
        uvicorn.Config(
            Webhook(context),
            host=settings.host,
            port=settings.keylime_webhook_port,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            limit_concurrency=64,
            ssl_certfile=settings.keylime_webhook_certificate,
            ssl_keyfile=settings.keylime_webhook_key,
            ssl_ca_certs=str(settings.keylime_ca),
            ssl_cert_reqs=ssl.CERT_REQUIRED,
        )
    )


async def background(context: Context) -> AsyncIterator[None]:
    """Listen for as long as the service runs, if a port is set."""
    if context.settings.keylime_webhook_port is None:
        yield
        return
    server = listener(context, context.settings)
    serving = asyncio.create_task(server.serve())
    try:
        yield
    finally:
        server.should_exit = True
        await serving
