"""FDO as a client: what a server does wrong is told in words, and ends in time."""

import gzip
from collections.abc import Callable
from contextlib import closing

import httpx
import pytest

from onboarding.protocol.clients import expect
from onboarding.protocol.errors import PeerFailed
from onboarding.protocol.step import Finished, Send
from onboarding.services.errors import SettingsError
from onboarding.services.fdo_client import (
    Deadline,
    FdoClientError,
    FdoClients,
    run_protocol,
)
from onboarding.services.fdo_front import MAX_BODY
from onboarding.tls import Trust
from onboarding.wire.error import ErrorMessage
from onboarding.wire.message import MsgType
from ownership_vouchers.types import Hash, HashType
from tests.support.dripping import ANSWER_HEAD, dripping

URL, OTHER = "http://rv.example.test:8040", "http://192.0.2.7:8040"
Handler = Callable[[httpx.Request], httpx.Response]


class Hello:
    """A run of one message, whose answer it returns."""

    def start(self) -> Send:
        return Send(MsgType.TO0_HELLO, b"\x80")

    def receive(self, msg: MsgType, body: bytes) -> Finished[bytes]:
        return Finished(expect(MsgType.TO0_HELLO_ACK, msg, body))


def ask(answer: Handler, *urls: str, seconds: float = 30) -> bytes:
    with httpx.Client(transport=httpx.MockTransport(answer)) as http:
        return run_protocol(http, urls or (URL,), Hello, Deadline(seconds))


def good(_request: httpx.Request) -> httpx.Response:
    return httpx.Response(200, headers={"Message-Type": "21"}, content=b"hello")


def raising(error: Exception) -> Handler:
    def answer(_request: httpx.Request) -> httpx.Response:
        raise error

    return answer


WRONG: dict[str, tuple[Handler, str]] = {
    "nobody there": (
        raising(httpx.ConnectError("[Errno 111] Connection refused")),
        "no connection (ConnectError): [Errno 111] Connection refused",
    ),
    "no way there": (raising(httpx.ConnectTimeout("timed out")), "nobody answers"),
    "silence": (raising(httpx.ReadTimeout("timed out")), "took too long to answer"),
    "no HTTP": (
        raising(httpx.RemoteProtocolError("illegal status line")),
        "does not speak HTTP, or hung up: illegal status line",
    ),
    "the end": (raising(httpx.ReadError("")), "it hung up"),
    "something else": (raising(httpx.UnsupportedProtocol("x")), "UnsupportedProtocol"),
    "a page": (
        lambda _request: httpx.Response(404),
        "message 20 with HTTP 404 and nothing that FDO",
    ),
    "an error that is not one": (
        lambda _request: httpx.Response(500, headers={"Message-Type": "255"}),
        "with HTTP 500 and nothing",
    ),
    "an error in a good answer's clothes": (
        lambda _request: httpx.Response(503, headers={"Message-Type": "21"}),
        "with HTTP 503 and nothing",
    ),
    "a redirect": (
        lambda _request: httpx.Response(302, headers={"Location": OTHER}),
        "with HTTP 302 and nothing",
    ),
    "what unpacks to more than was sent": (
        lambda _request: httpx.Response(
            200, headers={"Content-Encoding": "gzip"}, content=gzip.compress(b"\x80")
        ),
        "its answer is encoded as 'gzip'",
    ),
    "too much": (
        lambda _request: httpx.Response(200, content=bytes(MAX_BODY + 1)),
        "an answer over",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_a_server_does_wrong_is_told_in_words(name: str) -> None:
    answer, words = WRONG[name]
    with pytest.raises(FdoClientError) as told:
        ask(answer)
    assert words in str(told.value)
    assert URL not in str(told.value)  # whoever asks knows whom


@pytest.mark.parametrize(
    ("status", "named"), [(200, "255"), (500, "255"), (500, None), (502, "21")]
)
def test_an_error_is_the_servers_own_whatever_it_comes_with(
    status: int, named: str | None
) -> None:
    """What is told by the code: this server is there, and takes us not."""
    headers = {} if named is None else {"Message-Type": named}
    body = ErrorMessage(2, 20, "no", None, None).encode()
    with pytest.raises(PeerFailed) as told:
        ask(lambda _request: httpx.Response(status, headers=headers, content=body))
    assert (told.value.message.code, told.value.message.previous) == (2, 20)


def test_each_address_is_tried_and_each_is_named_that_failed() -> None:
    asked = []

    def second(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.host)
        if len(asked) == 1:
            raise httpx.ConnectError("no")
        return good(request)

    assert ask(second, URL, OTHER) == b"hello"
    assert asked == ["rv.example.test", "192.0.2.7"]
    with pytest.raises(FdoClientError, match=f"{URL}: .*; {OTHER}: "):
        ask(raising(httpx.ConnectError("no")), URL, OTHER)
    with pytest.raises(FdoClientError, match="no address to try"):
        with httpx.Client(transport=httpx.MockTransport(good)) as http:
            run_protocol(http, (), Hello, Deadline(1))


def test_a_deadline_is_for_all_of_a_run() -> None:
    now = [0.0]
    deadline = Deadline(10, lambda: now[0])
    now[0] = 9.5
    assert deadline.left() == 0.5
    now[0] = 10.0
    with pytest.raises(FdoClientError, match="longer than 10 s in all"):
        deadline.left()
    with (
        httpx.Client(transport=httpx.MockTransport(good)) as http,
        pytest.raises(FdoClientError, match="longer than 10 s"),
    ):
        run_protocol(http, (URL,), Hello, deadline)


def test_a_server_that_sends_drop_by_drop_takes_no_more_than_its_time() -> None:
    with dripping(ANSWER_HEAD) as port, closing(FdoClients()) as clients:
        url = f"http://127.0.0.1:{port}"
        with clients.pinned(Trust(), (url,)) as http:
            with pytest.raises(FdoClientError, match="too long"):
                run_protocol(http, (url,), Hello, Deadline(0.3))


def test_a_useless_ca_file_is_said_at_the_start() -> None:
    with pytest.raises(SettingsError, match="VOUCHGATE_TO0_CA"):
        FdoClients(Trust(b"no certificates"))


def test_a_pin_is_obeyed_or_nobody_is_asked() -> None:
    pin = Hash.of(HashType.SHA256, b"a certificate")
    with closing(FdoClients()) as clients:
        with clients.pinned(Trust(), (URL,)) as usual:
            assert not usual.is_closed
        with pytest.raises(FdoClientError, match="no HTTPS"):
            clients.pinned(Trust(server=pin), (URL,)).__enter__()
        with pytest.raises(FdoClientError, match="VOUCHGATE_TO0_CA"):
            clients.pinned(Trust(authority=pin), ("https://rv.test",)).__enter__()
        with clients.pinned(Trust(server=pin), ("https://rv.test",)) as own:
            assert own is not usual
        assert own.is_closed
        assert not usual.is_closed
