"""Who may speak when in ServiceInfo, on the device's side."""

import pytest

from onboarding.protocol.exchange_device import DeviceExchange
from onboarding.protocol.modules import Message
from onboarding.wire.serviceinfo import DeviceServiceInfo, Kv, OwnerServiceInfo
from ownership_vouchers import cbor
from tests.support.fdo_roles import FACTS, KeepingModule
from tests.support.refusals import code_of

YES, NO = cbor.encode(True), cbor.encode(False)
BIG = cbor.encode(bytes(2000))


def device(
    *modules: KeepingModule, limit: int = 1300
) -> tuple[DeviceExchange, DeviceServiceInfo]:
    exchange = DeviceExchange(FACTS, modules, limit)
    return exchange, exchange.first()


def says(*kvs: Kv, more: bool = False, done: bool = False) -> OwnerServiceInfo:
    return OwnerServiceInfo(more, done, kvs)


def echo(name: str) -> KeepingModule:
    return KeepingModule(name, lambda what, value: [(what, value)])


def test_device_says_devmod_first() -> None:
    _, first = device(echo("m"))
    assert {key.partition(":")[0] for key, _ in first.kvs} == {"devmod"}
    assert not first.more


def test_device_activates_what_it_has_and_turns_down_what_it_has_not() -> None:
    exchange, _ = device(echo("m"))
    reply = exchange.receive(says(("m:active", YES), ("other:active", YES)))
    assert reply == DeviceServiceInfo(False, (("m:active", YES), ("other:active", NO)))
    assert exchange.receive(says(("m:active", YES))) == DeviceServiceInfo(False)


def test_device_hears_active_modules_only() -> None:
    module = echo("m")
    exchange, _ = device(module)
    exchange.receive(says(("m:early", b"\0"), ("other:word", b"\0")))
    assert module.received == []
    exchange.receive(says(("m:active", YES), ("m:word", b"\1"), ("m:active", NO)))
    exchange.receive(says(("m:late", b"\0"), ("devmod:word", b"\0")))
    assert module.received == [("word", b"\1")]


def test_a_module_that_turns_itself_down_is_deaf_until_it_is_activated() -> None:
    module = KeepingModule("m", lambda what, _: [("active", NO)] if what == "x" else [])
    exchange, _ = device(module)
    said = exchange.receive(says(("m:active", YES), ("m:x", b"\1"), ("m:y", b"\2")))
    assert said == DeviceServiceInfo(False, (("m:active", YES), ("m:active", NO)))
    again = exchange.receive(says(("m:active", YES), ("m:z", b"\3")))
    assert again == DeviceServiceInfo(False, (("m:active", YES),))
    assert module.received == [("x", b"\1"), ("z", b"\3")]


class Waits(KeepingModule):
    """Says ``x`` when both sides are silent."""

    def __init__(self, name: str) -> None:
        super().__init__(name, lambda what, _: [("y", b"\1")] if what == "y" else [])

    def silence(self) -> list[Message]:
        return [("x", b"\0")]


def test_a_module_that_waits_is_heard_when_both_sides_are_silent() -> None:
    exchange, _ = device(Waits("m"), echo("n"))
    assert exchange.receive(says()) == DeviceServiceInfo(False)  # nobody is active
    exchange.receive(says(("m:active", YES), ("n:active", YES)))
    assert exchange.receive(says()) == DeviceServiceInfo(False, (("m:x", b"\0"),))
    reply = exchange.receive(says(("m:y", b"\0")))
    assert reply == DeviceServiceInfo(False, (("m:y", b"\1"),))
    assert exchange.receive(says(done=True)) is None


def test_device_is_silent_while_the_owner_has_more() -> None:
    exchange, _ = device(echo("m"))
    exchange.receive(says(("m:active", YES)))
    assert exchange.receive(says(("m:word", b"\0"), more=True)) == DeviceServiceInfo(
        False
    )
    assert exchange.receive(says()) == DeviceServiceInfo(False, (("m:word", b"\0"),))


def test_device_joins_what_the_owner_cut() -> None:
    module = echo("m")
    exchange, _ = device(module)
    exchange.receive(says(("m:active", YES), ("m:word", b"\x42a"), more=True))
    exchange.receive(says(("m:word", b"b")))
    assert module.received == [("word", b"\x42ab")]


def test_device_says_what_it_has_left_before_it_is_done() -> None:
    exchange, _ = device(echo("m"))
    last = exchange.receive(says(("m:active", YES), done=True))
    assert last == DeviceServiceInfo(False, (("m:active", YES),))
    assert exchange.receive(says(done=True)) is None


def test_device_cuts_long_answers_and_waits_for_its_turn() -> None:
    exchange, _ = device(echo("m"), limit=300)
    while (more := exchange.receive(says())) and more.more:
        pass
    exchange.receive(says(("m:active", YES)))
    reply = exchange.receive(says(("m:big", BIG)))
    sent: list[Kv] = []
    while reply is not None and reply.more:
        sent += reply.kvs
        reply = exchange.receive(says())
    assert reply is not None
    assert b"".join(value for _, value in [*sent, *reply.kvs]) == BIG


RULES: dict[str, tuple[int, list[OwnerServiceInfo]]] = {
    "done and more at once": (1300, [says(more=True, done=True)]),
    "words after done": (
        1300,
        [says(("m:active", YES), done=True), says(("m:x", b"\0"))],
    ),
    "words while the device has more": (300, [says(("m:x", b"\0"))]),
    "more while the device has more": (300, [says(more=True)]),
    "done while the device has more": (300, [says(done=True)]),
}


@pytest.mark.parametrize("name", RULES)
def test_an_owner_that_breaks_the_order_is_refused(name: str) -> None:
    limit, messages = RULES[name]
    exchange, _ = device(*(echo(f"org.example.{i}") for i in range(30)), limit=limit)
    for message in messages[:-1]:
        exchange.receive(message)
    assert code_of(lambda: exchange.receive(messages[-1])) == 101
