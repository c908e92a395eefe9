"""Who comes too often is sent away before anything is read.

FDO (in ``fdo_front``) and everything else are counted apart, so that neither takes
the other's share; probes are not counted at all, or a crowd would look like a failure.
"""

import time
from collections.abc import Callable

from onboarding.services.api.problems import response
from onboarding.services.errors import Problem
from onboarding.services.rates import Buckets, Rate
from onboarding.services.settings import Settings
from onboarding.services.sources import bucket_of
from onboarding.services.transport import AsgiApp, Receive, Scope, Send

FREE = frozenset({"/healthz", "/readyz"})


class SourceLimit:
    """An ASGI wrapper that counts requests by the address they come from.

    ``refused`` is told the code of each refusal, as the tally counts them.
    """

    def __init__(
        self, app: AsgiApp, buckets: Buckets, refused: Callable[[str], None]
    ) -> None:
        self._app = app
        self._buckets = buckets
        self._refused = refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in FREE:
            await self._app(scope, receive, send)
            return
        client = scope.get("client")
        wait = self._buckets.take(bucket_of(client[0] if client else ""))
        if wait:
            problem = too_many("this address", wait)
            self._refused(problem.code)
            await response(problem)(scope, receive, send)
        else:
            await self._app(scope, receive, send)


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
