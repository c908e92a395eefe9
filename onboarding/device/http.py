"""The device's two conversations over HTTP: FDO runs, and the owner's device API.

Source: FDO 1.1, section 4.1 for the FDO binding. A run's token is opaque: the first
one is sent back byte for byte and no later one replaces it.
"""

import json
from dataclasses import dataclass

import httpx

from onboarding.device.errors import PeerRefused, Problem, Unreachable
from onboarding.wire.error import ErrorMessage
from onboarding.wire.message import MsgType
from ownership_vouchers.errors import VoucherError

FDO_LIMIT = 65535
DEVICE_API_LIMIT = 32 * 1024 * 1024
CBOR = "application/cbor"
TIMEOUT = httpx.Timeout(30.0, connect=5.0)


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer, whole and within bounds."""

    status: int
    headers: httpx.Headers
    body: bytes


def new_client() -> httpx.Client:
    """Return a client that follows no redirect and reads no proxy from outside."""
    return httpx.Client(timeout=TIMEOUT, follow_redirects=False, trust_env=False)


def send(
    client: httpx.Client,
    method: str,
    url: str,
    *,
    headers: dict[str, str] | None = None,
    content: bytes | None = None,
    limit: int,
) -> Reply:
    """Ask once, reading at most ``limit`` bytes of the answer.

    Raises:
        Unreachable: No answer, or a longer one.
    """
    try:
        with client.stream(method, url, headers=headers, content=content) as answer:
            body = bytearray()
            for chunk in answer.iter_bytes():
                body += chunk
                if len(body) > limit:
                    raise Unreachable(f"{url} answered with more than {limit} bytes")
            return Reply(answer.status_code, answer.headers, bytes(body))
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Unreachable(f"{url} does not answer: {error or type(error)}") from error


class FdoChannel:
    """One run of DI, TO1 or TO2 against one server."""

    def __init__(self, client: httpx.Client, base: str) -> None:
        self._client = client
        self._base = base.rstrip("/")
        self._token: str | None = None

    def exchange(self, kind: int, body: bytes) -> tuple[int, bytes]:
        """Send message ``kind``; return the type and body of the answer.

        Raises:
            PeerRefused: The peer answered with an error message.
            Unreachable: No answer, or none that FDO allows.
        """
        reply = self._post(kind, body)
        if self._token is None:
            self._token = reply.headers.get("authorization")
        answered = reply.headers.get("message-type", "")
        if answered == "255" or reply.status != 200:
            raise self._refusal(kind, reply)
        if not answered.isascii() or not answered.isdigit() or len(answered) > 3:
            raise Unreachable(f"{self._base} answered without a Message-Type")
        return int(answered), reply.body

    def report(self, body: bytes) -> None:
        """Tell the peer why the run ends here; what it answers does not matter."""
        try:
            self._post(int(MsgType.ERROR), body)
        except Unreachable:
            return

    def _post(self, kind: int, body: bytes) -> Reply:
        headers = {"Content-Type": CBOR, "Message-Type": str(kind)}
        if self._token is not None:
            headers["Authorization"] = self._token
        url = f"{self._base}/fdo/101/msg/{kind}"
        return send(
            self._client, "POST", url, headers=headers, content=body, limit=FDO_LIMIT
        )

    def _refusal(self, kind: int, reply: Reply) -> PeerRefused | Unreachable:
        try:
            message = ErrorMessage.from_cbor(reply.body)
        except VoucherError:
            return Unreachable(
                f"{self._base} answered message {kind} with HTTP {reply.status}"
            )
        return PeerRefused(message.code, message.previous, message.text)


class DeviceApi:
    """The owner's ``/device/v1``."""

    def __init__(self, client: httpx.Client, base: str) -> None:
        self._client = client
        self._base = f"{base.rstrip('/')}/device/v1"

    def call(
        self, method: str, path: str, content: bytes | None, content_type: str
    ) -> Reply:
        """Ask once; return the answer if it is of the 2xx kind.

        Raises:
            Problem: The owner refused, and says why.
            Unreachable: No answer, or one that is neither.
        """
        reply = send(
            self._client,
            method,
            f"{self._base}/{path}",
            headers={"Content-Type": content_type} if content is not None else None,
            content=content,
            limit=DEVICE_API_LIMIT,
        )
        if 200 <= reply.status < 300:
            return reply
        raise read_problem(reply)


def read_problem(reply: Reply) -> Problem | Unreachable:
    """Turn an error answer into what to raise for it."""
    try:
        document = json.loads(reply.body)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        return Unreachable(f"HTTP {reply.status} without a problem document")
    fields = [document.get(name) for name in ("type", "title", "detail")]
    kind, title, detail = (f[:1000] if isinstance(f, str) else "" for f in fields)
    return Problem(reply.status, kind, title or f"HTTP {reply.status}", detail)
