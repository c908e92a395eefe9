"""Bounds on what a request may cost before anything looks at it."""

import asyncio
from collections.abc import Mapping

from starlette.exceptions import HTTPException

from onboarding.services.transport import AsgiApp, Receive, Scope, Send

DEFAULT_BODY = 1024 * 1024
IDLE_SECONDS = 30.0


class BodyLimit:
    """An ASGI wrapper that waits for a body only so long, and reads only so much.

    Over the limit it is refused with status 413, after ``idle`` seconds without
    any of it with 408, and with 400 when the client goes away in the middle.

    Args:
        larger: Path -> limit in bytes, for routes that take more.
    """

    def __init__(
        self,
        app: AsgiApp,
        limit: int = DEFAULT_BODY,
        larger: Mapping[str, int] = {},
        idle: float = IDLE_SECONDS,
    ) -> None:
        self._app = app
        self._limit = limit
        self._larger = dict(larger)
        self._idle = idle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._larger.get(scope["path"], self._limit)
        await self._app(scope, _bounded(receive, limit, self._idle), send)


def _bounded(receive: Receive, limit: int, idle: float) -> Receive:
    """What it raises is of the one kind that FastAPI passes on from a body."""
    seen = 0
    whole = False

    async def bounded() -> dict[str, object]:
        nonlocal seen, whole
        if whole:
            return dict(await receive())
        try:
            async with asyncio.timeout(idle):
                event = await receive()
        except TimeoutError as error:
            raise HTTPException(408, "The body took too long to arrive.") from error
        if event["type"] != "http.request":
            raise HTTPException(400, "The client left before its body was whole.")
        seen += len(event.get("body", b""))
        if seen > limit:
            raise HTTPException(413, f"The body is over {limit} bytes.")
        whole = not event.get("more_body", False)
        return dict(event)

    return bounded
