"""The FDO route: what reaches the handler, and how refusals leave."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from onboarding.protocol.errors import MessageRefused
from onboarding.services.fdo_front import (
    DIRECT,
    MAX_BODY,
    Arrival,
    FdoFront,
    FdoResponse,
    limit_of,
)
from onboarding.services.transport import LONG_AT_ONCE, FdoTransport
from onboarding.wire.error import ErrorMessage

PATH = "/fdo/101/msg/60"


@dataclass
class Echo:
    """Answers each message with itself, and remembers what it was given."""

    seen: list[tuple[int, bytes, str | None]] = field(default_factory=list)
    arrivals: list[Arrival] = field(default_factory=list)
    reported: list[bytes] = field(default_factory=list)
    failure: Exception | None = None
    token: str | None = "Bearer t"

    def handle(
        self,
        number: int,
        body: bytes,
        authorization: str | None,
        arrival: Arrival = DIRECT,
    ) -> FdoResponse:
        self.arrivals.append(arrival)
        self.seen.append((number, body, authorization))
        if self.failure is not None:
            raise self.failure
        return FdoResponse(number + 1, body, self.token)

    def peer_error(self, body: bytes, authorization: str | None) -> None:
        self.reported.append(body)


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


async def _elsewhere(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 299, "headers": []})
    await send({"type": "http.response.body", "body": b"elsewhere"})


def scope_of(path: str, headers: dict[str, str], method: str = "POST") -> Any:
    return {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "headers": [
            (name.lower().encode(), value.encode()) for name, value in headers.items()
        ],
    }


def post(
    echo: Echo,
    path: str = PATH,
    chunks: tuple[bytes, ...] = (b"\x80",),
    headers: dict[str, str] | None = None,
    method: str = "POST",
    *,
    offload: bool = False,
) -> Answer:
    """Send one request through the ASGI interface."""
    events = [
        {"type": "http.request", "body": chunk, "more_body": index + 1 < len(chunks)}
        for index, chunk in enumerate(chunks)
    ]
    sent: list[dict[str, Any]] = []

    async def receive() -> Any:
        return events.pop(0) if events else {"type": "http.disconnect"}

    async def send(event: Any) -> None:
        sent.append(event)

    scope = scope_of(path, headers or {}, method)
    front = FdoFront({101: echo}, offload=offload)
    asyncio.run(FdoTransport(_elsewhere, front)(scope, receive, send))
    if not sent:
        return Answer(0, {}, b"")
    head = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return Answer(sent[0]["status"], head, sent[1]["body"])


@pytest.mark.parametrize("offload", [False, True])
def test_a_message_is_answered_with_its_type_its_length_and_its_token(
    offload: bool,
) -> None:
    answer = post(Echo(), chunks=(b"\x81", b"\x01"), offload=offload)
    assert (answer.status, answer.body) == (200, b"\x81\x01")
    assert answer.headers == {
        "content-type": "application/cbor",
        "message-type": "61",
        "authorization": "Bearer t",
        "content-length": "2",
    }


def test_the_authorization_reaches_the_handler_as_it_was_sent() -> None:
    echo = Echo()
    post(echo, headers={"Authorization": "Bearer  abc"})
    assert echo.seen == [(60, b"\x80", "Bearer  abc")]


def test_every_later_answer_has_the_token_that_came() -> None:
    given = {"Authorization": "Bearer given"}
    answer = post(Echo(token=None), headers=given)
    assert answer.headers["authorization"] == "Bearer given"


def test_a_refusal_has_no_token_whatever_came() -> None:
    given = {"Authorization": "Bearer given"}
    answer = post(Echo(token=None, failure=MessageRefused("no")), headers=given)
    assert answer.status == 500
    assert "authorization" not in answer.headers


def test_a_run_that_begins_has_its_own_token_whatever_came() -> None:
    answer = post(Echo(), headers={"Authorization": "Bearer of another run"})
    assert answer.headers["authorization"] == "Bearer t"


@pytest.mark.parametrize(
    "path",
    [
        "/fdo/101/msg/60/",
        "/fdo/101/msg/060",
        "/fdo/101/msg/256",
        "/fdo/101/msg/",
        "/fdo/101/msg/60/x",
        "/fdo/200/msg/256",
        "/fdo/0101/msg/60",
        "/fdo/123456/msg/60",
        "/fdo/1.1/msg/60",
        "/fdo/101//msg/60",
        "/fdo/101/msg/%36%30",
        "/fdo/",
        "/fdo/101/msg/-1",
    ],
)
def test_another_path_is_not_found(path: str) -> None:
    echo = Echo()
    answer = post(echo, path)
    assert answer.status == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert not echo.seen


@pytest.mark.parametrize("version", [0, 100, 102, 200, 65535])
def test_a_message_of_a_version_that_is_not_spoken_is_error_101(version: int) -> None:
    echo = Echo()
    answer = post(echo, f"/fdo/{version}/msg/60")
    message = ErrorMessage.from_cbor(answer.body)
    assert (answer.status, answer.headers["message-type"]) == (500, "255")
    assert (message.code, message.previous) == (101, 60)
    assert not echo.seen
    assert post(echo, f"/fdo/{version}/msg/255").status == 200
    assert not echo.reported


@pytest.mark.parametrize("method", ["GET", "PUT", "HEAD", "DELETE", "OPTIONS"])
def test_another_method_is_not_allowed(method: str) -> None:
    answer = post(Echo(), method=method)
    assert (answer.status, answer.headers["allow"]) == (405, "POST")


def test_other_paths_go_to_the_application_behind() -> None:
    assert post(Echo(), "/api/v1/vouchers").status == 299


OVERSIZE: dict[str, dict[str, Any]] = {
    "announced": {"headers": {"Content-Length": str(MAX_BODY + 1)}},
    "announced as a very long number": {"headers": {"Content-Length": "9" * 4000}},
    "announced as nonsense": {"headers": {"Content-Length": "-1"}},
    "sent after a small announcement": {
        "headers": {"Content-Length": "1"},
        "chunks": (b"x" * (MAX_BODY + 1),),
    },
    "sent in chunks without announcement": {"chunks": (b"x" * 40_000,) * 2},
}


@pytest.mark.parametrize("case", list(OVERSIZE))
def test_a_body_over_the_limit_is_refused_and_the_connection_closed(case: str) -> None:
    echo = Echo()
    answer = post(echo, **OVERSIZE[case])
    assert not echo.seen
    assert (answer.status, answer.headers["message-type"]) == (500, "255")
    assert answer.headers["connection"] == "close"
    assert ErrorMessage.from_cbor(answer.body).code == 100


def test_a_body_of_the_limit_is_taken_without_an_announced_length() -> None:
    answer = post(Echo(), chunks=(b"x" * 40_000, b"x" * (MAX_BODY - 40_000)))
    assert (answer.status, len(answer.body)) == (200, MAX_BODY)


VOUCHER = "/fdo/101/msg/22"  # the one message that has a whole voucher in it
LONGEST = limit_of(22)


def announced(length: int) -> dict[str, str]:
    return {"Content-Length": str(length)}


def test_a_message_with_a_voucher_may_be_longer_if_it_says_so_beforehand() -> None:
    halves = (bytes(LONGEST // 2), bytes(LONGEST - LONGEST // 2))
    answer = post(Echo(), VOUCHER, halves, announced(LONGEST))
    assert (answer.status, len(answer.body)) == (200, LONGEST)


TOO_LONG: dict[str, dict[str, Any]] = {
    "without a word": {"chunks": (bytes(MAX_BODY + 1),)},
    "announced as longer than any": {"headers": announced(LONGEST + 1)},
    "longer than announced": {
        "headers": announced(LONGEST),
        "chunks": (bytes(LONGEST), b"x"),
    },
}


@pytest.mark.parametrize("case", TOO_LONG)
def test_a_message_with_a_voucher_has_its_limit_too(case: str) -> None:
    echo = Echo()
    answer = post(echo, VOUCHER, **TOO_LONG[case])
    assert ErrorMessage.from_cbor(answer.body).code == 100
    assert answer.headers["connection"] == "close"
    assert not echo.seen


def test_there_are_never_many_long_messages_here_and_short_ones_do_not_wait() -> None:
    async def about() -> tuple[list[int], list[int]]:
        transport = FdoTransport(_elsewhere, FdoFront({101: Echo()}))
        gate, arrived = asyncio.Event(), []

        async def ask(length: int, status: list[int]) -> None:
            async def receive() -> Any:
                arrived.append(length)
                if length > MAX_BODY:
                    await gate.wait()
                return {"type": "http.request", "body": bytes(length)}

            async def send(event: Any) -> None:
                status.extend([event["status"]] if "status" in event else [])

            await transport(scope_of(VOUCHER, announced(length)), receive, send)

        long: list[list[int]] = [[] for _ in range(LONG_AT_ONCE + 1)]
        short: list[int] = []
        async with asyncio.TaskGroup() as group:
            for one in long:
                group.create_task(ask(LONGEST, one))
            await asyncio.sleep(0)
            await ask(MAX_BODY, short)
            assert arrived.count(LONGEST) == LONG_AT_ONCE
            gate.set()
        after: list[int] = []
        await ask(LONGEST, after)
        return [*map(sum, long), *after], short

    long, short = asyncio.run(about())
    assert sorted(long) == [200] * (LONG_AT_ONCE + 1) + [500]
    assert short == [200]


def test_a_refusal_is_an_error_message_with_status_500() -> None:
    answer = post(Echo(failure=MessageRefused("the nonce is another")))
    message = ErrorMessage.from_cbor(answer.body)
    assert (answer.status, answer.headers["message-type"]) == (500, "255")
    assert (message.code, message.previous) == (101, 60)
    assert "nonce" not in message.text


def test_a_failure_of_ours_is_code_500_and_its_words_stay_here(
    caplog: pytest.LogCaptureFixture,
) -> None:
    answer = post(Echo(failure=RuntimeError("the password is swordfish")))
    message = ErrorMessage.from_cbor(answer.body)
    assert message.code == 500
    assert b"swordfish" not in answer.body
    assert "swordfish" in caplog.text


def test_an_error_message_is_taken_note_of_and_answered_empty() -> None:
    echo = Echo()
    answer = post(echo, "/fdo/101/msg/255", (b"anything at all",))
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["content-length"] == "0"
    assert echo.reported == [b"anything at all"]


def test_a_client_that_leaves_gets_no_answer() -> None:
    echo = Echo()
    assert post(echo, chunks=()).status == 0
    assert not echo.seen
