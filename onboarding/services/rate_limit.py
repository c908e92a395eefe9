"""Who comes too often is sent away before anything is read.

FDO and everything else are counted apart, so that neither takes the other's share;
probes are not counted at all, or a crowd would look like a failure. A peer of FDO
is told in a message 255, everybody else in a problem document.
"""

import re
import time
from collections.abc import Callable

from onboarding.protocol.errors import ProtocolError, error_code, error_message
from onboarding.services.api.problems import response
from onboarding.services.errors import Problem
from onboarding.services.rates import Buckets, Rate
from onboarding.services.settings import Settings
from onboarding.services.sources import source_of
from onboarding.services.transport import AsgiApp, Receive, Scope, Send

FREE = frozenset({"/healthz", "/readyz"})
_FDO = ("/fdo/", "/line/")
_NUMBER = re.compile(r"/msg/([0-9]{1,3})$")


class TooOften(ProtocolError):
    """The peer's address has sent more messages than it may."""

    told = "too many messages from this address; try again later"


class SourceLimit:
    """An ASGI wrapper that counts requests by the address they come from.

    ``refused`` is told kind and code of each refusal, as the tally counts them.
    """

    def __init__(
        self,
        app: AsgiApp,
        fdo: Buckets,
        management: Buckets,
        refused: Callable[[str, str], None],
    ) -> None:
        self._app = app
        self._fdo = fdo
        self._management = management
        self._refused = refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in FREE:
            await self._app(scope, receive, send)
            return
        fdo = scope["path"].startswith(_FDO)
        buckets = self._fdo if fdo else self._management
        wait = buckets.take(source_of(scope))
        if not wait:
            await self._app(scope, receive, send)
        elif fdo:
            self._refused("fdo", str(int(error_code(TooOften()))))
            await _refuse_message(scope["path"], wait, send)
        else:
            problem = too_many("this address", wait)
            self._refused("http", problem.code)
            await response(problem)(scope, receive, send)


def buckets_of(settings: Settings) -> tuple[Buckets, Buckets, Buckets]:
    """Buckets for addresses over FDO, for addresses otherwise, and for API keys."""
    rates = (
        Rate(settings.fdo_rate, settings.fdo_burst),
        Rate(settings.api_source_rate, settings.api_source_burst),
        Rate(settings.api_key_rate, settings.api_key_burst),
    )
    fdo, sources, keys = (Buckets(rate, time.monotonic) for rate in rates)
    return fdo, sources, keys


def too_many(whose: str, wait: int) -> Problem:
    """What one is told who comes too often; ``wait`` in seconds."""
    return Problem(
        429,
        "too-many-requests",
        f"There were too many requests from {whose}.",
        remedy=f"Try again in {wait} s; Retry-After says so, too.",
        extra={"retry_after": wait},
    )


async def _refuse_message(path: str, wait: int, send: Send) -> None:
    """The rest of the request is not read, so the connection ends with it."""
    found = _NUMBER.search(path)
    number = int(found[1]) if found else 0
    body = error_message(TooOften(), min(number, 255), int(time.time()))
    headers = [
        (b"content-type", b"application/cbor"),
        (b"content-length", str(len(body)).encode()),
        (b"message-type", b"255"),
        (b"retry-after", str(wait).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": 500, "headers": headers})
    await send({"type": "http.response.body", "body": body})
