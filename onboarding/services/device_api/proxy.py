"""Keylime's push protocol through the owner: only the device's own calls go on."""

import re

import httpx
from fastapi import Request, Response
from starlette.exceptions import HTTPException

from attestation.keylime.proxy import (
    REPLY_HEADERS,
    NotForwarded,
    ProxyRoute,
    request_headers,
    route_for,
)
from onboarding.http_client import pieces
from onboarding.services import enrolment
from onboarding.services.context import Context
from onboarding.services.device_api.image import image_reported
from onboarding.services.device_api.requests import DeviceCall
from onboarding.services.errors import Problem
from onboarding.services.gate import Gate
from onboarding.services.keylime_link import KeylimeLink, require
from onboarding.store.errors import NotFound, TokenRefused
from ownership_vouchers.types import Guid

PREFIX = "/device/v1/keylime"
HEADER = "Vouchgate-Session"
SESSION = "keylime-session"
MAX_ANSWER = 1024 * 1024
_TOKEN = re.compile(r"[A-Za-z0-9_=-]{1,512}")


class KeylimeProxy:
    """Sessions for devices, and their calls handed on without our certificate."""

    def __init__(self, context: Context, link: KeylimeLink | None) -> None:
        self._context = context
        self._link = link

    def session(self, call: DeviceCall) -> dict[str, object]:
        """Return a token for the device's calls of the next minutes.

        The image that it reports can end its update window: Keylime is told so.
        """
        require(self._link)
        now, raw = self._context.now(), call.guid.raw
        held = Gate(self._context).standing(raw).held
        if image_reported(self._context, call, held):
            enrolment.plan_for(self._context, (raw,))
        expires = now + self._context.settings.keylime_session_seconds
        sealer = self._context.server_keys.sealer(now)
        return {
            "session": sealer.seal(SESSION, raw, expires),
            "expires": expires,
        }

    def route(self, request: Request) -> ProxyRoute:
        """Find the device by its session, and the call on Keylime's list."""
        guid = self._device(request.headers.get(HEADER, ""))
        raw: bytes = request.scope.get("raw_path") or request.url.path.encode()
        query: bytes = request.scope["query_string"]
        path = raw.decode("latin-1").removeprefix(PREFIX)
        if query:
            path += "?" + query.decode("latin-1")
        try:
            return route_for(request.method, path, str(guid))
        except NotForwarded as error:
            raise Problem(403, "not-forwarded", str(error)) from error

    def forward(
        self, route: ProxyRoute, headers: dict[str, str], body: bytes
    ) -> Response:
        """Make the call and return Keylime's answer, bounded."""
        link = require(self._link)
        try:
            route.check(body)
            sent = request_headers(headers)
        except NotForwarded as error:
            raise Problem(403, "not-forwarded", str(error)) from error
        url = link.verifier_url + route.path
        guid = Guid.parse(route.agent_id).raw
        try:
            with (
                self._context.spans.span("keylime.proxy", guid),
                link.device.stream(
                    route.method, url, content=body, headers=sent
                ) as reply,
            ):
                content = _bounded(reply)
        except httpx.HTTPError as error:
            raise Problem(
                502, "keylime-unavailable", "Keylime did not answer.", remedy="Retry."
            ) from error
        kept = {k: v for k, v in reply.headers.items() if k.lower() in REPLY_HEADERS}
        return Response(content, reply.status_code, kept)

    def _device(self, token: str) -> Guid:
        now = self._context.now()
        if not _TOKEN.fullmatch(token):
            raise _no_session("no session")
        try:
            sealer = self._context.server_keys.sealer(now)
            raw = sealer.open(token, SESSION, now).payload
            device = self._context.stores.devices.get(raw)
        except (TokenRefused, NotFound) as error:
            raise _no_session(str(error)) from error
        if device.guid != raw or device.facts.retired_at is not None:
            raise _no_session("the device has another GUID now, or is retired")
        return Guid(raw)


def _no_session(detail: str) -> Problem:
    return Problem(
        401,
        "session-refused",
        f"The Keylime session: {detail}.",
        remedy="POST /device/v1/keylime/session",
    )


def _bounded(reply: httpx.Response) -> bytes:
    content = bytearray()
    for chunk in pieces(reply):
        content += chunk
        if len(content) > MAX_ANSWER:
            raise Problem(502, "keylime-answer", "Keylime's answer is too long.")
    return bytes(content)


async def bounded_body(request: Request, limit: int) -> bytes:
    """Read a body of at most ``limit`` bytes.

    Raises:
        HTTPException: 413.
    """
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise HTTPException(413, f"The body is over {limit} bytes.")
    return body
