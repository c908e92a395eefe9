"""Webhooks: events sent to whoever asked for them, until they are taken or given up.

Any replica sends any of them. An event may come twice, and after a later one: its
number and the message's identifier tell.
"""

import asyncio
import json
import logging
import random
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from onboarding.http_client import client
from onboarding.services.api.events import shown_event
from onboarding.services.context import Context
from onboarding.services.outages import tell
from onboarding.services.outgoing import SECONDS, NotSent, Outgoing, post
from onboarding.services.webhook_signing import SECRET_BYTES, headers
from onboarding.store.errors import NotFound, StoreError
from onboarding.store.webhook_records import Claim, Webhook
from onboarding.tls import PUBLIC, context_of

ACTOR = "task:webhook"
LOOK_SECONDS = 1.0
SLOTS = 8  # deliveries of one process at a time
EACH = 4  # of them to one webhook
LEASE_SECONDS = 120
MOST_ATTEMPTS = 8  # the last one some eight hours after the first
FIRST_PAUSE, LONGEST_PAUSE = 5, 6 * 3600  # seconds
OVERLAP_SECONDS = 24 * 3600  # for which the secret before a rotation signs as well
KEEP_SECONDS = 30 * 86400  # dead letters
GONE = 410
_PURPOSE = b"webhook secret"
_FIRST = asyncio.FIRST_COMPLETED

log = logging.getLogger(__name__)


def new_secret() -> bytes:
    """Draw a secret."""
    return secrets.token_bytes(SECRET_BYTES)


def seal(context: Context, secret: bytes) -> bytes:
    """What is stored of a secret."""
    return context.server_keys.wrap(secret, _PURPOSE)


def pause(attempt: int, share: float) -> int:
    """Seconds until the next attempt; ``share`` of the pause, 0 to 1, is chance.

    Half of it is sure, so that many that failed together do not come back together.
    """
    longest = min(FIRST_PAUSE * 4 ** (attempt - 1), LONGEST_PAUSE)
    return max(1, int(longest * (0.5 + share / 2)))


class Webhooks:
    """Empties the outbox. One for each process that works in the background."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._store = context.stores.webhooks
        self._outgoing = Outgoing(context.settings.webhook_networks_read)
        self._client = client(context_of(PUBLIC), timeout=SECONDS)

    async def run(self) -> AsyncIterator[None]:
        """A lifespan: sends while the service serves, and ends what it began."""
        if not self._context.settings.background:
            yield
            return
        stop = asyncio.Event()
        loop = asyncio.create_task(self._repeat(stop))
        try:
            yield
        finally:
            stop.set()
            await loop
            self._client.close()

    async def _repeat(self, stop: asyncio.Event) -> None:
        """Fill each slot again when it is free: who is slow holds up no other."""
        with ThreadPoolExecutor(SLOTS, thread_name_prefix="webhook") as pool:
            loop = asyncio.get_running_loop()
            stopping = asyncio.create_task(stop.wait())
            sending: dict[asyncio.Future[None], str] = {}
            while not stop.is_set():
                free, busy = SLOTS - len(sending), Counter(sending.values())
                claims = await asyncio.to_thread(self._due, free, busy) if free else ()
                for one in claims:
                    sending[loop.run_in_executor(pool, self.send, one)] = one.webhook
                if not claims:
                    ends: set[asyncio.Future[Any]] = {*sending, stopping}
                    await asyncio.wait(ends, timeout=LOOK_SECONDS, return_when=_FIRST)
                _take_out(sending)
            if sending:
                await asyncio.wait(sending)

    def _due(
        self, limit: int = SLOTS, busy: Mapping[str, int] = {}
    ) -> tuple[Claim, ...]:
        """What is to be sent now; a database that is away must not end the loop."""
        now = self._context.now()
        try:
            while self._store.spread(now):
                pass
            return self._store.claim(now, LEASE_SECONDS, limit, EACH, busy)
        except StoreError as error:
            tell(log, error, "could not look after webhooks")
            return ()

    def send(self, claim: Claim) -> None:
        """Send one event, and write down what came of it."""
        try:
            webhook = self._store.get(claim.webhook)
            with self._context.spans.span("webhook.delivery") as note:
                note(webhook=claim.webhook, event=claim.seq, attempt=claim.attempt)
                status = self._post(webhook, claim)
                note(status=status)
        except NotFound:
            return
        except NotSent as error:
            self._failed(claim, str(error), None)
        except StoreError as error:
            said = "could not write down delivery %s of webhook %s"
            tell(log, error, said, claim.seq, claim.webhook)
        else:
            self._answered(claim, status)

    def _post(self, webhook: Webhook, claim: Claim) -> int:
        now = self._context.now()
        body = self._body(claim.seq)
        message = f"{webhook.id}-{claim.seq}"
        signed = headers(self._secrets(webhook, now), message, now, body)
        target = self._outgoing.target(webhook.url)
        return post(self._client, target, signed, body).status_code

    def _body(self, seq: int) -> bytes:
        (event,) = self._context.stores.events.after(seq - 1, 1)
        told = {
            "type": event.cause,
            "timestamp": datetime.fromtimestamp(event.at, UTC).isoformat(),
            "data": shown_event(event),
        }
        return json.dumps(told, separators=(",", ":")).encode()

    def _secrets(self, webhook: Webhook, now: int) -> list[bytes]:
        sealed = [webhook.secret]
        if webhook.previous is not None and now < (webhook.previous_until or 0):
            sealed.append(webhook.previous)
        keys = self._context.server_keys
        return [keys.unwrap(one, _PURPOSE) for one in sealed]

    def _answered(self, claim: Claim, status: int) -> None:
        now = self._context.now()
        with suppress(StoreError):  # then its lease ends, and it is sent again
            if 200 <= status < 300:
                self._store.delivered(claim, now)
                return
            if status == GONE:
                self._store.stop(claim.webhook, "it answered 410 Gone", ACTOR, now)
            self._failed(claim, f"it answered {status}", status)

    def _failed(self, claim: Claim, why: str, status: int | None) -> None:
        now = self._context.now()
        share = random.random()  # noqa: S311 - no secret hangs on it
        again = claim.attempt < MOST_ATTEMPTS
        due = now + pause(claim.attempt, share) if again else None
        log.info("webhook %s, event %s: %s", claim.webhook, claim.seq, why)
        with suppress(StoreError):  # then its lease ends
            self._store.failed(claim, now, due, why, status)


def _take_out(sending: dict[asyncio.Future[None], str]) -> None:
    """Take out what has ended; after a fault of ours it comes again, lease by lease."""
    for one in [one for one in sending if one.done()]:
        webhook, fault = sending.pop(one), one.exception()
        if fault is not None:
            log.error("a delivery to webhook %s failed", webhook, exc_info=fault)
