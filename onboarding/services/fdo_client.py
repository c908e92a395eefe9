"""FDO messages as a client: what the owner needs for TO0.

Source: FDO 1.1, section 4.3 (HTTP binding), 3.7 (how certificates are pinned).
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import TypeVar

import httpx

from onboarding.http_client import client, pieces, within
from onboarding.protocol.clients import Role, answer_type, drive
from onboarding.protocol.errors import ProtocolError
from onboarding.services.errors import ServicesError, SettingsError
from onboarding.services.fdo_front import MAX_BODY
from onboarding.tls import PUBLIC, Trust, TrustError, context_of
from onboarding.wire.message import MsgType
from ownership_vouchers.errors import MalformedError, VoucherError

T = TypeVar("T")

SILENCE_SECONDS, CONNECT_SECONDS = 20.0, 5.0

_context = lru_cache(maxsize=32)(context_of)


class FdoClientError(ServicesError):
    """A server could not be reached, or did not speak FDO."""


class NotFdo(FdoClientError):
    """A server answered, but with nothing that the protocol knows."""


class FdoClients:
    """HTTP for strangers' servers: no redirects, nothing from the environment.

    Args:
        trust: Whom to talk to where nothing is pinned.

    Raises:
        SettingsError: ``trust`` has nothing to check servers with.
    """

    def __init__(self, trust: Trust = PUBLIC) -> None:
        self._trust = trust
        try:
            self._usual = _client(trust)
        except TrustError as error:
            raise SettingsError(f"VOUCHGATE_TO0_CA: {error}") from error

    @contextmanager
    def pinned(self, trust: Trust, urls: Sequence[str]) -> Iterator[httpx.Client]:
        """Lend a client that talks to nobody but whom ``trust`` pins.

        Raises:
            FdoClientError: That cannot be checked.
        """
        if not trust.pinned:
            yield self._usual
            return
        if not all(url.startswith("https://") for url in urls):
            raise FdoClientError("the certificate is pinned, and the server no HTTPS")
        known = Trust(self._trust.authorities, trust.server, trust.authority)
        try:
            own = _client(known)
        except TrustError as error:
            raise FdoClientError(
                "the voucher pins a CA whose certificate is not here: name a file"
                " with it in VOUCHGATE_TO0_CA"
            ) from error
        with own:
            yield own

    def close(self) -> None:
        """Close kept connections."""
        self._usual.close()


def _client(trust: Trust) -> httpx.Client:
    return client(_context(trust))


class Deadline:
    """The time until which a whole run must be through.

    Args:
        seconds: From now on.
        monotonic: Seconds of a clock that never goes back.
    """

    def __init__(
        self, seconds: float, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.seconds = seconds
        self._monotonic = monotonic
        self._end = monotonic() + seconds

    def left(self) -> float:
        """Return the seconds left. Raises FdoClientError when there are none."""
        left = self._end - self._monotonic()
        if left <= 0:
            raise FdoClientError(f"it took longer than {self.seconds:g} s in all")
        return left


def run_protocol(
    http: httpx.Client,
    urls: Sequence[str],
    start: Callable[[], Role[T]],
    deadline: Deadline,
) -> T:
    """Run a protocol at the first of ``urls`` that can be reached.

    A server whose answer is refused here is told so, as far as the time allows.

    Raises:
        FdoClientError: None could be, or not in time.
        ProtocolError, VoucherError: The run was refused by either side.
    """
    trouble: list[str] = []
    for url in urls:
        try:
            channel = FdoChannel(http, url, deadline)
            return drive(channel, start(), _TOLD, _lost, time.time)
        except FdoClientError as error:
            trouble.append(f"{url}: {error}" if len(urls) > 1 else str(error))
    raise FdoClientError("; ".join(trouble) or "there is no address to try")


_TOLD = (ProtocolError, VoucherError, FdoClientError)


def _lost(error: Exception) -> bool:
    """Whether the server is not there to be told."""
    return isinstance(error, FdoClientError) and not isinstance(error, NotFdo)


class FdoChannel:
    """One run against one server, all of it within ``deadline``.

    The run's token is opaque: the last one that came is sent back as it is.
    """

    def __init__(self, http: httpx.Client, base: str, deadline: Deadline) -> None:
        self._http = http
        self._base = base
        self._deadline = deadline
        self._token: str | None = None

    def exchange(self, kind: MsgType, body: bytes) -> tuple[MsgType, bytes]:
        """Send message ``kind``; return the type and body of the answer.

        An error message is an answer too, whatever the HTTP status it comes with.

        Raises:
            FdoClientError: No answer, or not in time.
            NotFdo: None that FDO allows.
        """
        reply, answer = self._post(kind, body)
        self._token = reply.headers.get("Authorization", self._token)
        named = reply.headers.get("Message-Type", "")
        try:
            return answer_type(reply.status_code, named, answer), answer
        except MalformedError as error:
            raise NotFdo(f"it answered message {int(kind)} with {error}") from error

    def report(self, body: bytes) -> None:
        """Tell the server why the run ends here, if it is there and time is left."""
        with suppress(FdoClientError):
            self._post(MsgType.ERROR, body)

    def _post(self, kind: MsgType, body: bytes) -> tuple[httpx.Response, bytes]:
        headers = {"Content-Type": "application/cbor"}
        if self._token is not None:
            headers["Authorization"] = self._token
        left = self._deadline.left()
        timeout = httpx.Timeout(
            min(SILENCE_SECONDS, left), connect=min(CONNECT_SECONDS, left)
        )
        url = f"{self._base}/fdo/101/msg/{int(kind)}"
        try:
            with (
                within(left),
                self._http.stream(
                    "POST", url, content=body, headers=headers, timeout=timeout
                ) as reply,
            ):
                return reply, _read(reply)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise FdoClientError(_words(error)) from error


def _read(reply: httpx.Response) -> bytes:
    answer = bytearray()
    for chunk in pieces(reply):
        answer += chunk
        if len(answer) > MAX_BODY:
            raise NotFdo(f"an answer over {MAX_BODY} bytes")
    return bytes(answer)


_KINDS: tuple[tuple[type[Exception], str], ...] = (
    (httpx.ConnectTimeout, "nobody answers there (ConnectTimeout)"),
    (httpx.TimeoutException, "it took too long to answer"),
    (httpx.ConnectError, "no connection (ConnectError)"),
    (httpx.RemoteProtocolError, "it does not speak HTTP, or hung up"),
    (httpx.ReadError, "it hung up"),
)


def _words(error: Exception) -> str:
    """Say what went wrong between us; the library's own words are kept."""
    detail = str(error).strip()
    for kind, words in _KINDS:
        if isinstance(error, kind):
            return f"{words}: {detail}" if detail else words
    return f"{type(error).__name__}: {detail}"
