"""The audit log as server-sent events. Source: WHATWG HTML, section 9.2."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, MutableMapping
from typing import Annotated, Any

from fastapi import Header, Query, Request
from fastapi.responses import StreamingResponse
from starlette.requests import ClientDisconnect

from onboarding.services import event_feed
from onboarding.services.api.auth import Caller, Ctx, Identity, needs
from onboarding.services.api.events import Cause, shown_event
from onboarding.services.api.routing import api_router
from onboarding.services.api.within import Reach
from onboarding.services.context import Context
from onboarding.services.event_feed import EventFeed
from onboarding.services.transport import ABORT, Receive, Scope, Send
from onboarding.store.apikeys import ApiKey, Role
from onboarding.store.errors import ApiKeyRefused, StoreError
from onboarding.store.events import LoggedEvent

router = api_router("audit")

log = logging.getLogger(__name__)

STOPPING = "vouchgate.stopping"  # in a scope: whether the server is to end
_HEAD = "retry: 3000\n\n"
_EXAMPLE = 'id: 7\ndata: {"seq": 7, "cause": "device.imported"}\n\n'
_ALIVE = ": nothing new\n\n"

LastSeen = Annotated[int | None, Header(alias="Last-Event-ID", ge=0, le=2**53)]
After = Annotated[int | None, Query(ge=0, le=2**53)]

_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            "text/event-stream": {
                "schema": {"type": "string"},
                "examples": {"one": {"value": _EXAMPLE}},
            }
        }
    }
}


class _Watched(StreamingResponse):
    """Gives its place in the feed back, however it ends."""

    def __init__(self, feed: EventFeed, content: AsyncIterator[str]) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(content, headers=headers, media_type="text/event-stream")
        self._feed = feed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def taken(message: MutableMapping[str, Any]) -> None:
            async with asyncio.timeout(event_feed.STALLED_SECONDS):
                await send(message)

        try:
            await super().__call__(scope, receive, taken)
        except (TimeoutError, ClientDisconnect):
            log.info("a stream of events ends: its reader takes nothing")
            await _cut_off(scope, receive)
        finally:
            self._feed.leave()


async def _cut_off(scope: Scope, receive: Receive) -> None:
    """Drop the connection with what was never taken, and wait until it is gone."""
    scope[ABORT]()
    while (await receive())["type"] != "http.disconnect":
        pass


@router.get(
    "/events/stream",
    response_class=StreamingResponse,
    responses=_STREAM,
    **needs(Role.SECURITY, labels=Reach.OWN),
)
def stream_events(
    request: Request,
    context: Ctx,
    caller: Caller,
    last_seen: LastSeen = None,
    after: After = None,
    cause: Cause = None,
) -> StreamingResponse:
    """Events as they happen: those after Last-Event-ID, or ``after``, or from now on.

    ``cause`` may be a prefix such as ``release``. The stream ends when the key does.
    """
    feed: EventFeed = request.app.state.feed
    start = next((one for one in (last_seen, after) if one is not None), None)
    seq = context.stores.events.head() if start is None else start
    within = caller.limits.labels
    stopping = request.scope.get(STOPPING, lambda: False)

    def goes_on() -> bool:
        return not stopping()

    def still_may() -> None:
        _require_living(context, caller)

    async def frames() -> AsyncIterator[str]:
        yield _HEAD
        try:
            told = feed.after(seq, goes_on, still_may, within, cause or "")
            async for event in told:
                yield _ALIVE if event is None else _frame(event)
        except StoreError:
            return  # the client comes again, with the number of its last event

    feed.enter()
    return _Watched(feed, frames())


def _require_living(context: Context, caller: Identity) -> None:
    """Raises ApiKeyRefused: the key is dead by now, or the token ran out."""
    now = context.now()
    if isinstance(caller, ApiKey):
        context.stores.api_keys.living(caller.id, now)
    elif caller.expires_at <= now:
        raise ApiKeyRefused("the token ran out")


def _frame(event: LoggedEvent) -> str:
    return f"id: {event.seq}\ndata: {json.dumps(shown_event(event))}\n\n"
