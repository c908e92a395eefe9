"""FDO messages as a client: what the owner needs for TO0.

Source: FDO 1.1, section 4.3 (HTTP binding).
"""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import httpx

from onboarding.protocol.step import Finished, Send
from onboarding.services.errors import ServicesError
from onboarding.services.transport import MAX_BODY
from onboarding.wire.message import MsgType

T = TypeVar("T")


class FdoClientError(ServicesError):
    """A server could not be reached, or did not speak FDO."""


class ClientRun(Protocol[T]):
    """A client role of the protocol: pure, one run."""

    def start(self) -> Send:
        """The first message."""

    def receive(self, msg: MsgType, body: bytes) -> Send | Finished[T]:
        """Take an answer."""


def new_client() -> httpx.Client:
    """Return a client for strangers' servers: no redirects, nothing from outside."""
    return httpx.Client(
        timeout=httpx.Timeout(20.0, connect=5.0),
        follow_redirects=False,
        trust_env=False,
    )


def run_protocol(
    http: httpx.Client, urls: Sequence[str], start: Callable[[], ClientRun[T]]
) -> T:
    """Run a protocol at the first of ``urls`` that can be reached.

    Raises:
        FdoClientError: None could be.
        ProtocolError, VoucherError: The run was refused by either side.
    """
    trouble: list[str] = []
    for url in urls:
        try:
            return _run(http, url, start())
        except FdoClientError as error:
            trouble.append(f"{url}: {error}")
    raise FdoClientError("; ".join(trouble) or "there is no address to try")


def _run(http: httpx.Client, url: str, run: ClientRun[T]) -> T:
    step: Send | Finished[T] = run.start()
    token: str | None = None
    while isinstance(step, Send):
        headers = {"Content-Type": "application/cbor"}
        if token is not None:
            headers["Authorization"] = token
        target = f"{url}/fdo/101/msg/{int(step.type)}"
        kind, body, minted = _post(http, target, step.body, headers)
        token = token or minted
        step = run.receive(kind, body)
    return step.result


def _post(
    http: httpx.Client, target: str, body: bytes, headers: dict[str, str]
) -> tuple[MsgType, bytes, str | None]:
    try:
        with http.stream("POST", target, content=body, headers=headers) as reply:
            answer = b""
            for chunk in reply.iter_bytes():
                answer += chunk
                if len(answer) > MAX_BODY:
                    raise FdoClientError(f"an answer over {MAX_BODY} bytes")
    except httpx.HTTPError as error:
        raise FdoClientError(type(error).__name__) from error
    named = reply.headers.get("Message-Type", "")
    try:
        return MsgType(int(named)), answer, reply.headers.get("Authorization")
    except ValueError as error:
        raise FdoClientError(
            f"status {reply.status_code} without a message type"
        ) from error
