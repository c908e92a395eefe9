"""FDO messages on a real socket: whole ones without ASGI, all others through it."""

import asyncio
from threading import get_ident

import pytest

from onboarding.services import fdo_protocol
from onboarding.services.fdo_front import (
    MAX_BODY,
    Arrival,
)
from onboarding.services.rates import Buckets, Rate
from onboarding.wire.error import ErrorMessage
from tests.support.fdo_wire import Wire, ask, talk, until


@pytest.mark.parametrize("offload", [False, True])
def test_a_whole_message_is_answered_without_asgi(offload: bool) -> None:
    async def about(wire: Wire) -> None:
        wire.send(ask(b"\x81\x01", "Authorization: Bearer t"))
        answer = await wire.answer()
        assert (answer.status, answer.body) == (200, b"\x81\x01")
        assert answer.headers.pop("date")
        assert answer.headers == {
            "content-type": "application/cbor",
            "message-type": "61",
            "authorization": "Bearer t",
            "content-length": "2",
        }
        assert (wire.asgi, wire.echo.arrivals) == ([], [Arrival(address="127.0.0.1")])
        assert (wire.echo.threads == {get_ident()}) is not offload

    talk(about, offload=offload)


@pytest.mark.parametrize("offload", [False, True])
def test_a_connection_carries_one_message_after_another(offload: bool) -> None:
    async def about(wire: Wire) -> None:
        for number in range(20):
            wire.send(ask(bytes([number]), path=f"/fdo/101/msg/{60 + number}"))
            answer = await wire.answer()
            assert (answer.body, answer.headers["message-type"]) == (
                bytes([number]),
                str(61 + number),
            )

    talk(about, offload=offload)


def test_what_is_sent_before_the_answer_came_is_not_kept() -> None:
    async def about(wire: Wire) -> None:
        wire.echo.gate.clear()
        wire.send(ask(b"1") + ask(b"2"))
        await until(lambda: bool(wire.echo.arrivals))
        wire.echo.gate.set()
        answer = await wire.answer()
        assert (answer.body, answer.headers["connection"]) == (b"1", "close")
        assert await wire.ended()
        assert len(wire.echo.arrivals) == 1

    talk(about, offload=True)


def test_a_thread_s_answer_is_waited_for_when_the_server_stops() -> None:
    async def about(wire: Wire) -> None:
        wire.echo.gate.clear()
        wire.send(ask(b"body"))
        await until(lambda: bool(wire.echo.arrivals))
        wire.server.should_exit = True
        await asyncio.sleep(0.3)
        wire.echo.gate.set()
        answer = await wire.answer()
        assert (answer.body, answer.headers["connection"]) == (b"body", "close")
        assert await wire.ended()

    talk(about, offload=True)


def test_nobody_is_answered_who_left_while_a_thread_was_at_work() -> None:
    async def about(wire: Wire) -> None:
        wire.echo.gate.clear()
        wire.send(ask(b"body"))
        await until(lambda: bool(wire.echo.arrivals))
        wire.writer.close()
        await asyncio.sleep(0.1)
        wire.echo.gate.set()
        await until(lambda: not wire.server.server_state.tasks)
        await until(lambda: not wire.server.server_state.connections)

    talk(about, offload=True)


def test_a_message_in_pieces_is_taken_once_it_is_whole() -> None:
    async def about(wire: Wire) -> None:
        for byte in ask(b"pieces"):
            wire.send(bytes([byte]))
            await asyncio.sleep(0)
        assert (await wire.answer()).body == b"pieces"
        wire.send(ask(b"x" * MAX_BODY))
        assert len((await wire.answer()).body) == MAX_BODY
        assert not wire.asgi

    talk(about)


def test_a_voucher_longer_than_other_messages_is_taken_through_asgi() -> None:
    async def about(wire: Wire) -> None:
        body = b"x" * (4 * MAX_BODY)
        wire.send(ask(body, path="/fdo/101/msg/22"))
        assert (await wire.answer()).body == body
        assert len(wire.asgi) == 1

    talk(about)


def test_messages_that_were_sent_at_once_are_answered_in_order() -> None:
    async def about(wire: Wire) -> None:
        wire.send(ask(b"1") + ask(b"2") + ask(b"", path="/api") + ask(b"3") + ask(b"4"))
        said = [(await wire.answer()).body for _ in range(5)]
        assert said == [b"1", b"2", b"behind", b"3", b"4"]

    talk(about)


CHUNKED = "Transfer-Encoding: chunked"
ELSEWHERE: dict[str, tuple[bytes, int, bytes]] = {
    "chunked": (ask(b"2\r\nab\r\n0\r\n\r\n", CHUNKED), 200, b"ab"),
    "another method": (ask(b"", method="PUT"), 405, b""),
    "another path": (ask(b"", path="/fdo/101/msg/256"), 404, b""),
    "a query": (ask(b"", path="/fdo/101/msg/60?x=1"), 200, b""),
    "too large": (
        ask(b"", "X: y", path="/fdo/101/msg/60")[:-4].replace(
            b"Content-Length: 0", b"Content-Length: 65536"
        )
        + b"\r\n\r\n",
        500,
        b"",
    ),
    "something else": (ask(b"", path="/api"), 299, b"behind"),
}


@pytest.mark.parametrize("case", list(ELSEWHERE))
def test_whatever_is_out_of_the_ordinary_goes_through_asgi(case: str) -> None:
    request, status, body = ELSEWHERE[case]

    async def about(wire: Wire) -> None:
        wire.send(request)
        answer = await wire.answer()
        assert answer.status == status
        assert not body or answer.body == body
        assert len(wire.asgi) == 1

    talk(about)


def test_who_waits_to_be_asked_for_the_body_is_asked() -> None:
    async def about(wire: Wire) -> None:
        wire.send(ask(b"body", "Expect: 100-continue")[:-4])
        assert b" 100 " in await wire.reader.readuntil(b"\r\n\r\n")
        wire.send(b"body")
        assert (await wire.answer()).body == b"body"

    talk(about)


@pytest.mark.parametrize(
    "request_", [ask(b"a", "Connection: close"), ask(b"a", version="1.0")]
)
def test_a_client_that_wants_no_more_is_let_go(request_: bytes) -> None:
    async def about(wire: Wire) -> None:
        wire.send(request_)
        answer = await wire.answer()
        assert (answer.body, answer.headers["connection"]) == (b"a", "close")
        assert await wire.ended()

    talk(about)


def test_a_body_that_does_not_come_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fdo_protocol, "BODY_SECONDS", 0.05)

    async def about(wire: Wire) -> None:
        wire.send(ask(b"body")[:-1])
        answer = await wire.answer()
        assert (answer.status, ErrorMessage.from_cbor(answer.body).code) == (500, 100)
        assert answer.headers["connection"] == "close"
        assert await wire.ended()
        assert not wire.echo.arrivals

    talk(about)


def test_a_message_that_has_begun_is_answered_before_the_server_stops() -> None:
    async def about(wire: Wire) -> None:
        await until(lambda: bool(wire.server.server_state.connections))
        wire.send(ask(b"body")[:-1])
        await asyncio.sleep(0.1)
        wire.server.should_exit = True
        await asyncio.sleep(0.3)
        wire.send(b"y")
        answer = await wire.answer()
        assert (answer.body, answer.headers["connection"]) == (b"body", "close")
        assert await wire.ended()

    talk(about)


def test_who_comes_too_often_is_told_when_to_come_again() -> None:
    async def about(wire: Wire) -> None:
        wire.send(ask())
        assert (await wire.answer()).status == 200
        wire.send(ask())
        answer = await wire.answer()
        message = ErrorMessage.from_cbor(answer.body)
        assert (answer.status, message.previous) == (500, 60)
        assert int(answer.headers["retry-after"]) > 0
        assert await wire.ended()

    talk(about, Buckets(Rate(0.01, 1), lambda: 0.0))


def test_behind_a_proxy_of_ours_the_address_is_the_one_it_names() -> None:
    import ipaddress

    async def about(wire: Wire) -> None:
        wire.send(ask(b"", "X-Forwarded-For: 198.51.100.7"))
        await wire.answer()
        assert [one.address for one in wire.echo.arrivals] == ["198.51.100.7"]

    talk(about, proxies=(ipaddress.ip_network("127.0.0.0/8"),))


def test_a_client_that_leaves_in_the_middle_is_forgotten() -> None:
    async def about(wire: Wire) -> None:
        wire.send(ask(b"body")[:-1])
        await until(lambda: bool(wire.server.server_state.connections))
        wire.writer.close()
        await until(lambda: not wire.server.server_state.connections)
        assert not wire.echo.arrivals

    talk(about)
