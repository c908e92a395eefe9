"""The FDO binding as a client: headers, tokens, errors, bounds."""

import gzip
from collections.abc import Callable
from contextlib import closing

import httpx
import pytest

from onboarding.device import http
from onboarding.device.errors import Garbled, Problem, Unreachable
from onboarding.device.http import FDO_LIMIT, DeviceApi, FdoChannel
from onboarding.wire.error import ErrorMessage
from onboarding.wire.message import MsgType
from tests.support.dripping import ANSWER_HEAD, dripping

ERROR = ErrorMessage(6, 30, "not found", 1_800_000_000, None).encode()
HELLO, ACK = MsgType.TO1_HELLO_RV, MsgType.TO1_HELLO_RV_ACK
Handler = Callable[[httpx.Request], httpx.Response]


def channel(handler: Handler, base: str = "http://rv.test") -> FdoChannel:
    return FdoChannel(httpx.Client(transport=httpx.MockTransport(handler)), base)


def answering(status: int, kind: str | None, body: bytes) -> Handler:
    headers = {} if kind is None else {"Message-Type": kind}
    return lambda _request: httpx.Response(status, headers=headers, content=body)


def test_a_message_is_posted_whole_to_its_path() -> None:
    seen: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, headers={"Message-Type": "31"}, content=b"\x80")

    reply = channel(handle, "http://rv.test/prefix/").exchange(HELLO, b"\x81\x00")
    assert reply == (ACK, b"\x80")
    assert str(seen[0].url) == "http://rv.test/prefix/fdo/101/msg/30"
    assert seen[0].headers["content-type"] == "application/cbor"
    assert seen[0].headers["content-length"] == "2"
    assert seen[0].headers["message-type"] == "30"


def test_a_server_with_a_key_derivation_of_its_own_is_not_gone_along_with() -> None:
    headers = {"Message-Type": "31", "X-Non-Interoperable-KDF": "true"}
    odd = channel(lambda _r: httpx.Response(200, headers=headers, content=b"\x80"))
    with pytest.raises(Garbled, match="derives keys"):
        odd.exchange(HELLO, b"\x80")


PUT_OFF = {"Message-Type": "255", "Retry-After": "7"}


def test_a_message_that_is_put_off_is_sent_again_as_it_was_when_its_time_has_come() -> (
    None
):
    answers = [
        httpx.Response(200, headers={"Message-Type": "31", "Authorization": "t"}),
        httpx.Response(500, headers=PUT_OFF, content=ERROR),
        httpx.Response(500, headers={**PUT_OFF, "Retry-After": "60"}, content=ERROR),
        httpx.Response(200, headers={"Message-Type": "33"}, content=b"\x80"),
    ]
    heard: list[tuple[str | None, bytes]] = []
    waits: list[float] = []

    def handle(request: httpx.Request) -> httpx.Response:
        heard.append((request.headers.get("authorization"), request.content))
        return answers.pop(0)

    client = httpx.Client(transport=httpx.MockTransport(handle))
    run = FdoChannel(client, "http://rv.test", sleep=waits.append)
    run.exchange(HELLO, b"\x80")
    assert run.exchange(MsgType.TO1_PROVE_TO_RV, b"\x81\0")[1] == b"\x80"
    assert heard == [(None, b"\x80"), *[("t", b"\x81\0")] * 3]
    assert waits == [7, 60]


@pytest.mark.parametrize(
    ("later", "waits"),
    [("1", http.WAITS), ("0", 0), ("61", 0), ("-1", 0), ("Fri, 1 Jan", 0), ("²", 0)],
)
def test_a_server_that_puts_off_for_too_long_or_for_ever_has_refused(
    later: str, waits: int
) -> None:
    headers = [(b"Message-Type", b"255"), (b"Retry-After", later.encode())]
    slept: list[float] = []

    def handle(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(500, headers=headers, content=ERROR)

    client = httpx.Client(transport=httpx.MockTransport(handle))
    run = FdoChannel(client, "http://rv.test", sleep=slept.append)
    assert run.exchange(HELLO, b"\x80") == (MsgType.ERROR, ERROR)
    assert len(slept) == waits


@pytest.mark.parametrize("first", ["Bearer abc", "no-prefix-at-all"])
def test_the_last_token_that_came_is_sent_back(first: str) -> None:
    offered = iter([first, None, "Bearer later", "Bearer last"])
    sent: list[str | None] = []

    def handle(request: httpx.Request) -> httpx.Response:
        sent.append(request.headers.get("authorization"))
        offer = next(offered)
        told = {} if offer is None else {"Authorization": offer}
        headers = {"Message-Type": "31", **told}
        return httpx.Response(200, headers=headers, content=b"\x80")

    run = channel(handle)
    for _ in range(4):
        run.exchange(HELLO, b"\x80")
    assert sent == [None, first, first, "Bearer later"]


@pytest.mark.parametrize(
    ("status", "kind"), [(200, "255"), (500, "255"), (500, None), (404, "31")]
)
def test_an_error_message_is_known_whatever_it_comes_with(
    status: int, kind: str | None
) -> None:
    reply = channel(answering(status, kind, ERROR)).exchange(HELLO, b"\x80")
    assert reply == (MsgType.ERROR, ERROR)


BAD: dict[str, tuple[int, str | None, bytes]] = {
    "no message type": (200, None, b"\x80"),
    "a type that is no number": (200, "abc", b"\x80"),
    "a type FDO does not know": (200, "99", b"\x80"),
    "an error that is not one": (500, "255", b"<html>"),
    "a redirect": (302, "31", b"\x80"),
}


@pytest.mark.parametrize(("status", "kind", "body"), BAD.values(), ids=BAD.keys())
def test_what_fdo_does_not_know_is_unreachable(
    status: int, kind: str | None, body: bytes
) -> None:
    with pytest.raises(Unreachable):
        channel(answering(status, kind, body)).exchange(HELLO, b"\x80")


def test_a_longer_answer_than_fdo_allows_is_not_read_to_its_end() -> None:
    with pytest.raises(Unreachable, match="more than"):
        channel(answering(200, "31", bytes(FDO_LIMIT + 1))).exchange(HELLO, b"\x80")


def test_an_answer_that_is_compressed_is_not_unpacked() -> None:
    headers = {"Message-Type": "31", "Content-Encoding": "gzip"}
    packed = gzip.compress(b"\x80")
    odd = channel(lambda _r: httpx.Response(200, headers=headers, content=packed))
    with pytest.raises(Unreachable, match="encoded as 'gzip'"):
        odd.exchange(HELLO, b"\x80")


def test_a_server_that_sends_drop_by_drop_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http, "PATIENCE", 0.3)
    monkeypatch.setattr(http, "SLOWEST", 1 << 30)
    with dripping(ANSWER_HEAD) as port, closing(http.new_client()) as client:
        with pytest.raises(Unreachable, match=r"timed out|too long in all"):
            FdoChannel(client, f"http://127.0.0.1:{port}").exchange(HELLO, b"\x80")


def test_a_server_that_is_not_there_is_unreachable() -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with pytest.raises(Unreachable, match="does not answer"):
        channel(handle).exchange(HELLO, b"\x80")
    channel(handle).report(ERROR)  # telling it is for nothing, and no error


def test_a_problem_document_keeps_its_words() -> None:
    document = b'{"code":"release-denied","detail":"31 min old","remedy":"attest"}'
    api = DeviceApi(
        httpx.Client(transport=httpx.MockTransport(answering(403, None, document))),
        "http://owner.test",
    )
    with pytest.raises(Problem) as caught:
        api.post("workload", b"", "application/cose")
    problem = caught.value
    assert (problem.status, problem.code) == (403, "release-denied")
    assert (problem.detail, problem.remedy) == ("31 min old", "attest")


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b"[" * 100_000])
def test_an_error_without_a_problem_document_is_unreachable(body: bytes) -> None:
    api = DeviceApi(
        httpx.Client(transport=httpx.MockTransport(answering(502, None, body))),
        "http://owner.test",
    )
    with pytest.raises(Unreachable, match="502"):
        api.post("workload", b"", "application/cose")
