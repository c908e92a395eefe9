"""Our HTTP client against real sockets: what a strange server can cost."""

from collections.abc import Iterator
from contextlib import closing

import httpcore
import httpx
import pytest

from onboarding.http_client import client, pieces, within
from onboarding.tls import PUBLIC, context_of
from tests.support.dripping import ANSWER_BODY, ANSWER_HEAD, dripping
from tests.support.scripted import OK, Scripted, bomb, unpacking_nothing

CONTEXT = context_of(PUBLIC)


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    with closing(client(CONTEXT, timeout=60.0)) as found:
        yield found


def read(http: httpx.Client, url: str) -> bytes:
    with http.stream("GET", url) as answer:
        return b"".join(pieces(answer))


def test_an_answer_is_asked_for_plain_and_read_as_it_was_sent(
    http: httpx.Client,
) -> None:
    with Scripted(OK + b"Content-Length: 2\r\n\r\nhi") as server:
        assert read(http, server.url) == b"hi"
        (asked,) = server.heard
    assert b"\r\naccept-encoding: identity\r\n" in asked.lower()


def test_what_unpacks_to_more_than_was_sent_is_not_unpacked(
    http: httpx.Client,
) -> None:
    with (
        Scripted(bomb()) as server,
        unpacking_nothing(),
        pytest.raises(httpx.DecodingError, match="gzip"),
    ):
        read(http, server.url)


@pytest.mark.parametrize("beginning", [ANSWER_HEAD, ANSWER_BODY], ids=["head", "body"])
def test_all_of_an_exchange_ends_in_time(http: httpx.Client, beginning: bytes) -> None:
    """Each byte comes soon enough; all of them never would."""
    with dripping(beginning) as port, pytest.raises(httpx.TimeoutException):
        with within(0.3):
            read(http, f"http://127.0.0.1:{port}")


def test_a_shorter_time_in_a_longer_one_counts_and_leaves_nothing_behind(
    http: httpx.Client,
) -> None:
    answer = OK + b"Content-Length: 0\r\n\r\n"
    with Scripted(answer, answer) as server, within(600):
        with pytest.raises(httpx.ConnectTimeout, match="too long in all"):
            with within(0), within(600):
                read(http, server.url)
        assert read(http, server.url) == b""
    with Scripted(answer) as server:
        assert read(http, server.url) == b""


def test_a_connection_that_the_server_closed_is_not_used_again(
    http: httpx.Client,
) -> None:
    answer = OK + b"Content-Length: 1\r\n\r\n"
    with Scripted(answer + b"1", answer + b"2") as server:
        assert [read(http, server.url), read(http, server.url)] == [b"1", b"2"]


WRONG = {
    "no HTTP": (b"hello\r\n\r\n", httpx.RemoteProtocolError),
    "cut short": (OK + b"Content-Length: 9\r\n\r\nhi", httpx.RemoteProtocolError),
    "nothing": (b"", httpx.RemoteProtocolError),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_answer_is_told_in_the_callers_errors(
    http: httpx.Client, name: str
) -> None:
    answer, error = WRONG[name]
    with Scripted(answer) as server, pytest.raises(error):
        read(http, server.url)


def test_nobody_there_is_told_too(http: httpx.Client) -> None:
    with pytest.raises(httpx.ConnectError):
        read(http, "http://127.0.0.1:1/")
    with pytest.raises(httpx.UnsupportedProtocol):
        read(http, "ftp://127.0.0.1/")


def test_no_error_of_the_library_below_goes_untold() -> None:
    """A name it gains, or loses, is to be thought of."""
    roots = (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError)
    names = {one.__name__ for root in roots for one in root.__subclasses__()}
    told = {
        "ConnectTimeout", "ReadTimeout", "WriteTimeout", "PoolTimeout",
        "ConnectError", "ReadError", "WriteError",
        "LocalProtocolError", "RemoteProtocolError",
    }  # fmt: skip
    assert names == told
