"""Each request of people and programs by a name, so that its lines can be found.

The name is the caller's ``X-Request-Id`` if it is short and plain, else a random one;
the answer says it. FDO messages do not come this way: their lines name the run.
"""

import logging
import re
import secrets
import time
from collections.abc import MutableMapping
from http import HTTPStatus
from typing import Any

from prometheus_client import Histogram

from onboarding.services import logs
from onboarding.services.api.auth import named_of
from onboarding.services.sources import bucket_of
from onboarding.services.transport import AsgiApp, Receive, Scope, Send
from ownership_vouchers.types import Guid

HEADER = b"x-request-id"
_NAME = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_GUID = re.compile(r"/([0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12})(?:/|\Z)")

_PROBES = ("/healthz", "/readyz", "/metrics")

log = logging.getLogger(__name__)


class RequestLog:
    """An ASGI wrapper: names each request, and writes a line of each that is answered.

    At DEBUG; a refusal at INFO, a failure of ours at WARNING.
    """

    def __init__(self, app: AsgiApp, durations: Histogram) -> None:
        self._app = app
        self._durations = durations

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        name = _name(scope)
        answer = _Answer(send, name)
        began = time.perf_counter()
        with logs.about(request=name.decode(), **_device(scope["path"])):
            await self._app(scope, receive, answer.send)
            seconds = time.perf_counter() - began
            told = _surface(scope["path"]), f"{answer.status // 100}xx"
            self._durations.labels(*told).observe(seconds)
            _tell(scope, answer.status, seconds)


class _Answer:
    """Sends what is answered, with the request's name, and remembers the status."""

    def __init__(self, send: Send, name: bytes) -> None:
        self._send = send
        self._name = name
        self.status = 0

    async def send(self, event: MutableMapping[str, Any]) -> None:
        if event["type"] == "http.response.start":
            self.status = event["status"]
            headers = [*event.get("headers", ()), (HEADER, self._name)]
            event = {**event, "headers": headers}
        await self._send(event)


def _tell(scope: Scope, status: int, seconds: float) -> None:
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        level = logging.WARNING
    else:
        level = logging.INFO if status >= HTTPStatus.BAD_REQUEST else logging.DEBUG
    if log.isEnabledFor(level):
        asked = scope["method"], scope["path"], status, seconds * 1000
        about = logs.of(caller=named_of(scope))
        if level == logging.INFO:
            client = scope.get("client")
            source = bucket_of(client[0] if client else "")
            about = logs.refused(f"{status}", source, caller=named_of(scope))
        log.log(level, "%s %s: %d in %.1f ms", *asked, extra=about)


def _surface(path: str) -> str:
    """What was asked, in a word; all else is pages of people."""
    if path in _PROBES:
        return "probe"
    if path.endswith("/stream"):
        return "stream"  # lasts as long as somebody listens
    first = path[1:].partition("/")[0]
    return first if first in ("api", "device") else "console"


def _name(scope: Scope) -> bytes:
    for header, value in scope["headers"]:
        if header == HEADER and _NAME.fullmatch(value):
            return bytes(value)
    return secrets.token_hex(8).encode()


def _device(path: str) -> dict[str, str]:
    found = _GUID.search(path)
    return {"guid": str(Guid.parse(found[1]))} if found else {}
