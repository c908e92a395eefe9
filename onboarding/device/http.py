"""The device's two conversations over HTTP: FDO runs, and the owner's device API.

Source: FDO 1.1, section 4.1 for the FDO binding. A run's token is opaque: the last one
that came is sent back byte for byte: most servers keep to one, some make new ones.
"""

import json
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass

import httpx

from onboarding.device.errors import DeviceError, Garbled, Problem, Unreachable
from onboarding.http_client import client, pieces, within
from onboarding.protocol.clients import answer_type
from onboarding.tls import PUBLIC, ClientCertificate, Trust, TrustError, context_of
from onboarding.wire.message import MsgType
from ownership_vouchers.errors import MalformedError

FDO_LIMIT = 65535
DEVICE_API_LIMIT = 32 * 1024 * 1024
CBOR = "application/cbor"
LINE_KEY = "Vouchgate-Line-Key"
OWN_KDF = "x-non-interoperable-kdf"  # a server that cannot follow FDO says so
TIMEOUT = httpx.Timeout(30.0, connect=5.0)
PATIENCE = 60.0  # seconds that any exchange may take, and then for each byte of it:
SLOWEST = 16 * 1024  # bytes a second; a server that is slower is not there
WAITS, LONGEST_WAIT = 5, 60  # how often, and for how many seconds, a server puts us off


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer, whole and within bounds."""

    status: int
    headers: httpx.Headers
    body: bytes


def new_client(
    trust: Trust = PUBLIC, shown: ClientCertificate | None = None
) -> httpx.Client:
    """Return a client for whom ``trust`` says; see ``client_of``.

    Raises:
        DeviceError: ``trust`` has nothing to check servers with, or ``shown`` no
            certificate to show.
    """
    try:
        context = context_of(trust, shown)
    except TrustError as error:
        raise DeviceError(str(error)) from error
    return client_of(context)


def client_of(context: ssl.SSLContext, through: str | None = None) -> httpx.Client:
    """Return the device's client; see ``http_client.client``."""
    return client(context, through, TIMEOUT)


def send(
    client: httpx.Client,
    method: str,
    url: str,
    *,
    headers: dict[str, str] | None = None,
    content: bytes | None = None,
    limit: int,
    address: str | None = None,
    seconds: float | None = None,
) -> Reply:
    """Ask once, reading at most ``limit`` bytes of the answer, and not for ever.

    Args:
        seconds: How long may pass without a byte of it; None for the client's time.
        address: The IP address to connect to; the server is asked, and its
            certificate checked, by the name in ``url`` all the same.

    Raises:
        Unreachable: No answer.
        Garbled: A longer one.
    """
    try:
        target = httpx.URL(url)
        sent, extensions = dict(headers or {}), {}
        waits = client.timeout if seconds is None else httpx.Timeout(30.0, read=seconds)
        in_all = PATIENCE + (limit + len(content or b"")) / SLOWEST + (seconds or 0)
        if address is not None:
            sent["Host"] = target.netloc.decode("ascii")
            extensions["sni_hostname"] = target.host
            target = target.copy_with(host=address)
        with (
            within(in_all),
            client.stream(
                method,
                target,
                headers=sent,
                content=content,
                extensions=extensions,
                timeout=waits,
            ) as answer,
        ):
            body = bytearray()
            for chunk in pieces(answer):
                body += chunk
                if len(body) > limit:
                    raise Garbled(f"{url} answered with more than {limit} bytes")
            return Reply(answer.status_code, answer.headers, bytes(body))
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Unreachable(f"{url} does not answer: {error or type(error)}") from error


class FdoChannel:
    """One run of DI, TO1 or TO2 against one server.

    ``address`` is the IP address to connect to, None for whichever the name has.
    ``line_key`` is the key of a production line's station, which only DI is asked for.
    A server with too much to do may put a message off by ``Retry-After``: it is sent
    again then, ``sleep`` seconds later.
    """

    def __init__(
        self,
        client: httpx.Client,
        base: str,
        address: str | None = None,
        line_key: str | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._sleep = sleep
        self._base = base.rstrip("/")
        self._address = address
        self._more = {} if line_key is None else {LINE_KEY: line_key}
        self._token: str | None = None

    def exchange(self, kind: MsgType, body: bytes) -> tuple[MsgType, bytes]:
        """Send message ``kind``; return the type and body of the answer.

        An error message is an answer too, whatever the HTTP status it comes with.

        Raises:
            Unreachable: No answer.
            Garbled: None that FDO allows.
        """
        reply = self._post(kind, body)
        for _ in range(WAITS):
            if not (wait := put_off(reply)):
                break
            self._sleep(wait)
            reply = self._post(kind, body)
        self._token = reply.headers.get("authorization", self._token)
        return self._answered(kind, reply), reply.body

    def report(self, body: bytes) -> None:
        """Tell the peer why the run ends here; what it answers does not matter."""
        try:
            self._post(MsgType.ERROR, body)
        except Unreachable:
            return

    def _post(self, kind: MsgType, body: bytes) -> Reply:
        own = {"Content-Type": CBOR, "Message-Type": str(int(kind))}
        headers = {**self._more, **own}
        if self._token is not None:
            headers["Authorization"] = self._token
        url = f"{self._base}/fdo/101/msg/{int(kind)}"
        return send(
            self._client,
            "POST",
            url,
            headers=headers,
            content=body,
            limit=FDO_LIMIT,
            address=self._address,
        )

    def _answered(self, kind: MsgType, reply: Reply) -> MsgType:
        if reply.headers.get(OWN_KDF, "").lower() == "true":
            raise Garbled(f"{self._base} derives keys as nobody else does")
        named = reply.headers.get("message-type", "")
        try:
            return answer_type(reply.status, named, reply.body)
        except MalformedError as error:
            raise Garbled(
                f"{self._base} answered message {int(kind)} with {error}"
            ) from error


class DeviceApi:
    """The owner's ``/device/v1``."""

    def __init__(self, client: httpx.Client, base: str) -> None:
        self._client = client
        self._base = f"{base.rstrip('/')}/device/v1"

    def send(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        content: bytes,
        seconds: float | None = None,
    ) -> Reply:
        """Ask once; the answer may be of any kind. Raises Unreachable."""
        return send(
            self._client,
            method,
            f"{self._base}/{path}",
            headers=headers,
            content=content,
            limit=DEVICE_API_LIMIT,
            seconds=seconds,
        )

    def post(
        self,
        path: str,
        content: bytes,
        content_type: str,
        seconds: float | None = None,
    ) -> Reply:
        """Ask once; return the answer if it is of the 2xx kind.

        Raises:
            Problem: The owner refused, and says why.
            Unreachable: No answer, or one that is neither.
        """
        reply = self.send(
            "POST", path, {"Content-Type": content_type}, content, seconds
        )
        if 200 <= reply.status < 300:
            return reply
        raise read_problem(reply)


def put_off(reply: Reply) -> int:
    """For how many seconds a server does not want the message; 0 if it was taken.

    Servers say so before they read it, so that it may be sent again. A date, and a time
    for which no run waits, are as good as a refusal.
    """
    said = reply.headers.get("retry-after", "")
    if reply.status < 400 or not (said.isascii() and said.isdecimal()):
        return 0
    return int(said) if len(said) <= 2 and int(said) <= LONGEST_WAIT else 0


def read_problem(reply: Reply) -> Problem | Unreachable:
    """Turn an error answer into what to raise for it."""
    try:
        document = json.loads(reply.body)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        return Unreachable(f"HTTP {reply.status} without a problem document")
    return Problem(reply.status, document)
