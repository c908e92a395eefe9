"""Bounds on what a request may cost before anything looks at it."""

from collections.abc import Mapping

from starlette.exceptions import HTTPException

from onboarding.services.transport import AsgiApp, Receive, Scope, Send

DEFAULT_BODY = 1024 * 1024


class BodyLimit:
    """An ASGI wrapper that refuses bodies over a limit with status 413.

    Args:
        larger: Path -> limit in bytes, for routes that take more.
    """

    def __init__(
        self, app: AsgiApp, limit: int = DEFAULT_BODY, larger: Mapping[str, int] = {}
    ) -> None:
        self._app = app
        self._limit = limit
        self._larger = dict(larger)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._larger.get(scope["path"], self._limit)
        await self._app(scope, _bounded(receive, limit), send)


def _bounded(receive: Receive, limit: int) -> Receive:
    seen = 0

    async def bounded() -> dict[str, object]:
        nonlocal seen
        event = await receive()
        if event["type"] == "http.request":
            seen += len(event.get("body", b""))
            if seen > limit:
                # FastAPI passes this kind on, and hides every other behind 400.
                raise HTTPException(413, f"The body is over {limit} bytes.")
        return dict(event)

    return bounded
