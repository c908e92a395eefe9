"""Devices' calls in front of FastAPI, whose part in one costs as much as the call.

A whole fleet makes them, every minute. What the routes would do is done here, by the
same code; a challenge that is not plainly asked for is left to its route, which says
what is wrong.
"""

import json
import logging
from collections.abc import Awaitable, Callable
from functools import partial

from fastapi import Response
from fastapi.concurrency import run_in_threadpool
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from onboarding.services.api.fields import parse_guid
from onboarding.services.api.problems import KINDS, problem_of, response
from onboarding.services.api.routing import strict_json
from onboarding.services.bodies import body_again, whole_body
from onboarding.services.device_api.routes import (
    PREFIX,
    ChallengeIn,
    DeviceCalls,
    DeviceRoute,
)
from onboarding.services.outages import tell
from onboarding.services.transport import AsgiApp, Receive, Scope, Send

_JSON = "application/json"
_KIND = (b"content-type", _JSON.encode())

Take = Callable[[Scope, bytes], Awaitable[Response | None]]

log = logging.getLogger(__name__)


class DeviceFront:
    """An ASGI wrapper; bodies are bounded before they come here.

    Args:
        refused: Told the code of each refusal.
        offload: Do all of it in threads: for stores across a network, which would hold
            up the event loop.
    """

    def __init__(
        self,
        app: AsgiApp,
        refused: Callable[[str], None],
        *,
        calls: DeviceCalls,
        offload: bool,
    ) -> None:
        self._app = app
        self._calls = calls
        self._refused = refused
        self._takes: dict[str, Take] = {
            PREFIX + path: partial(self._take, route, route.apart or offload)
            for path, route in calls.routes.items()
        }
        self._takes[f"{PREFIX}/challenge"] = partial(self._challenge, offload)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        take = None
        if scope["type"] == "http" and scope["method"] == "POST":
            take = self._takes.get(scope["path"])
        if take is None:
            await self._app(scope, receive, send)
            return
        body = b""
        try:
            body = await whole_body(receive)
            reply = await take(scope, body)
        except KINDS as error:
            reply = self._refusal(error)
        except Exception as error:  # noqa: BLE001 - the boundary
            tell(log, error, "%s failed", scope["path"])
            reply = self._refusal(error)
        if reply is None:
            await self._app(scope, body_again(body, receive), send)
        else:
            await reply(scope, receive, send)

    def _refusal(self, error: Exception) -> Response:
        problem = problem_of(error)
        self._refused(problem.code)
        return response(problem)

    async def _take(
        self, route: DeviceRoute, apart: bool, _scope: Scope, body: bytes
    ) -> Response:
        if apart:
            return await run_in_threadpool(self._calls.answer, route, body)
        return self._calls.answer(route, body)

    async def _challenge(
        self, apart: bool, scope: Scope, body: bytes
    ) -> Response | None:
        if _KIND not in scope["headers"]:
            return None
        try:
            asked = ChallengeIn.model_validate(strict_json(body))
        except (HTTPException, ValidationError):
            return None
        guid = parse_guid(asked.guid)
        if apart:
            made = await run_in_threadpool(self._calls.challenge, guid)
        else:
            made = self._calls.challenge(guid)
        return Response(json.dumps(made, separators=(",", ":")), media_type=_JSON)
