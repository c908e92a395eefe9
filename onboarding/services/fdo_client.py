"""FDO messages as a client: what the owner needs for TO0.

Source: FDO 1.1, section 4.3 (HTTP binding), 3.7 (how certificates are pinned).
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Protocol, TypeVar

import httpx

from onboarding.protocol.step import Finished, Send
from onboarding.services.errors import ServicesError, SettingsError
from onboarding.services.fdo_front import MAX_BODY
from onboarding.tls import PUBLIC, Trust, TrustError, context_of
from onboarding.wire.message import MsgType

T = TypeVar("T")

SILENCE_SECONDS, CONNECT_SECONDS = 20.0, 5.0

_context = lru_cache(maxsize=32)(context_of)


class FdoClientError(ServicesError):
    """A server could not be reached, or did not speak FDO."""


class ClientRun(Protocol[T]):
    """A client role of the protocol: pure, one run."""

    def start(self) -> Send:
        """The first message."""

    def receive(self, msg: MsgType, body: bytes) -> Send | Finished[T]:
        """Take an answer."""


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
            client = _client(known)
        except TrustError as error:
            raise FdoClientError(
                "the voucher pins a CA whose certificate is not here: name a file"
                " with it in VOUCHGATE_TO0_CA"
            ) from error
        with client:
            yield client

    def close(self) -> None:
        """Close kept connections."""
        self._usual.close()


def _client(trust: Trust) -> httpx.Client:
    return httpx.Client(verify=_context(trust), follow_redirects=False, trust_env=False)


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
    start: Callable[[], ClientRun[T]],
    deadline: Deadline,
) -> T:
    """Run a protocol at the first of ``urls`` that can be reached.

    Raises:
        FdoClientError: None could be, or not in time.
        ProtocolError, VoucherError: The run was refused by either side.
    """
    trouble: list[str] = []
    for url in urls:
        try:
            return _run(http, url, start(), deadline)
        except FdoClientError as error:
            trouble.append(f"{url}: {error}" if len(urls) > 1 else str(error))
    raise FdoClientError("; ".join(trouble) or "there is no address to try")


def _run(http: httpx.Client, url: str, run: ClientRun[T], deadline: Deadline) -> T:
    step: Send | Finished[T] = run.start()
    token: str | None = None
    while isinstance(step, Send):
        headers = {"Content-Type": "application/cbor"}
        if token is not None:
            headers["Authorization"] = token
        target = f"{url}/fdo/101/msg/{int(step.type)}"
        kind, body, minted = _post(http, target, step.body, headers, deadline)
        token = token or minted
        step = run.receive(kind, body)
    return step.result


def _post(
    http: httpx.Client,
    target: str,
    body: bytes,
    headers: dict[str, str],
    deadline: Deadline,
) -> tuple[MsgType, bytes, str | None]:
    left = deadline.left()
    timeout = httpx.Timeout(
        min(SILENCE_SECONDS, left), connect=min(CONNECT_SECONDS, left)
    )
    try:
        with http.stream(
            "POST", target, content=body, headers=headers, timeout=timeout
        ) as reply:
            answer = b""
            for chunk in reply.iter_bytes():
                deadline.left()  # one that sends drop by drop is slow, too
                answer += chunk
                if len(answer) > MAX_BODY:
                    raise FdoClientError(f"an answer over {MAX_BODY} bytes")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise FdoClientError(_words(error)) from error
    named = reply.headers.get("Message-Type", "")
    try:
        return MsgType(int(named)), answer, reply.headers.get("Authorization")
    except ValueError as error:
        raise FdoClientError(
            f"status {reply.status_code} without a message type"
        ) from error


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
