"""Who may speak when in ServiceInfo, on the owner's side."""

import secrets
from dataclasses import dataclass, field

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from onboarding.protocol.devmod import announce
from onboarding.protocol.env import ServiceInfoLimits
from onboarding.protocol.errors import (
    MessageRefused,
    ModuleFailed,
    ProtocolError,
    RequiredModuleFailed,
)
from onboarding.protocol.exchange import Exchange, ModuleRun, Phase
from onboarding.protocol.exchange_steps import Round, take_turn
from onboarding.protocol.modules import Message, ModuleContext, ModuleResult, Progress
from onboarding.wire.serviceinfo import DeviceServiceInfo, Kv, OwnerServiceInfo
from ownership_vouchers import cbor
from ownership_vouchers.errors import MalformedError
from ownership_vouchers.types import Guid
from tests.support.fdo_roles import FACTS, NOW

DEVICE_KEY = ec.generate_private_key(ec.SECP256R1()).public_key()
YES, NO = cbor.encode(True), cbor.encode(False)
BIG = cbor.encode(bytes(2000))


@dataclass(frozen=True)
class Says:
    """Says ``messages`` at once, then waits for ``end``."""

    name: str
    messages: tuple[Message, ...] = ()
    required: bool = False
    heard: list[Message] = field(default_factory=list)

    def start(self, ctx: ModuleContext) -> object:
        return "new"

    def receive(
        self, state: object, message: str, value: bytes, ctx: ModuleContext
    ) -> object:
        self.heard.append((message, value))
        return "over" if message == "end" else state

    def produce(
        self, state: object, budget: int, ctx: ModuleContext
    ) -> tuple[object, list[Message], Progress]:
        if state == "over":
            return state, [], Progress.DONE
        said = list(self.messages) if state == "new" else []
        return "said", said, Progress.WAITING

    def result(self, state: object) -> ModuleResult:
        return ModuleResult(self.name, ok=True, detail="said all")


class Owner:
    """The owner's side of one exchange; its state goes through its bytes."""

    def __init__(self, *modules: Says, limit: int = 1300) -> None:
        exchange = Exchange(
            NOW, tuple(ModuleRun(one.name, required=one.required) for one in modules)
        )
        self._bytes = cbor.encode(exchange.to_item())
        self.round = Round(
            Guid(bytes(16)),
            Guid(bytes(16)),
            DEVICE_KEY,
            NOW,
            secrets.token_bytes,
            modules,
            ServiceInfoLimits(),
            limit,
        )

    @property
    def exchange(self) -> Exchange:
        return Exchange.from_item(cbor.decode(self._bytes))

    def take(self, *kvs: Kv, more: bool = False) -> OwnerServiceInfo:
        message = DeviceServiceInfo(more, kvs)
        exchange, reply = take_turn(
            self.exchange, message, len(message.encode()), self.round
        )
        self._bytes = cbor.encode(exchange.to_item())
        return reply


def devmod(*names: str) -> tuple[Kv, ...]:
    return announce(FACTS, names)


def test_owner_is_silent_until_devmod_is_complete() -> None:
    owner = Owner(Says("m"))
    facts = devmod("m")
    assert owner.take(*facts[:-1]) == OwnerServiceInfo(more=False, done=False)
    assert owner.take(facts[-1]).kvs == (("m:active", YES),)


def test_owner_is_silent_while_the_device_has_more() -> None:
    owner = Owner(Says("m"))
    assert owner.take(*devmod("m"), more=True).kvs == ()
    assert owner.take().kvs == (("m:active", YES),)


def test_owner_without_modules_is_done_when_devmod_is() -> None:
    assert Owner().take(*devmod()) == OwnerServiceInfo(more=False, done=True)


def test_once_done_the_owner_stays_done_and_listens_no_more() -> None:
    owner = Owner()
    owner.take(*devmod())
    for _ in range(2):
        late = owner.take(("m:late", b"\0"))
        assert late == OwnerServiceInfo(more=False, done=True)
    with pytest.raises(MessageRefused, match="anew"):
        owner.take(("m:late", b"\0"), more=True)


def test_modules_run_one_after_the_other() -> None:
    first, second = Says("a", (("x", b"\1"),)), Says("b", (("y", b"\2"),))
    owner = Owner(first, second)
    assert owner.take(*devmod("a", "b")).kvs == (("a:active", YES), ("a:x", b"\1"))
    assert owner.take(("a:active", YES)).kvs == ()
    following = owner.take(("a:end", b"\0"))
    assert following.kvs == (("b:active", YES), ("b:y", b"\2"))
    assert owner.take(("b:active", YES), ("b:end", b"\0")).done
    assert [one.ok for one in owner.exchange.results] == [True, True]


def test_a_module_turned_down_by_the_device_is_left_out() -> None:
    module = Says("m")
    owner = Owner(module)
    owner.take(*devmod("m"))
    assert owner.take(("m:active", NO), ("m:more", b"\0")).done
    assert module.heard == []
    (result,) = owner.exchange.results
    assert (result.ok, result.detail) == (False, "the device turned it down")


def test_a_required_module_turned_down_ends_the_run() -> None:
    owner = Owner(Says("m", required=True))
    owner.take(*devmod("m"))
    with pytest.raises(RequiredModuleFailed):
        owner.take(("m:active", NO))


@dataclass(frozen=True)
class Fails(Says):
    """Fails where it is told to: in ``start``, ``receive`` or ``produce``."""

    where: str = "start"

    def start(self, ctx: ModuleContext) -> object:
        self._fail("start")
        return "new"

    def receive(
        self, state: object, message: str, value: bytes, ctx: ModuleContext
    ) -> object:
        self._fail("receive")
        return super().receive(state, message, value, ctx)

    def produce(
        self, state: object, budget: int, ctx: ModuleContext
    ) -> tuple[object, list[Message], Progress]:
        if ctx.active:
            self._fail("produce")
        return super().produce(state, budget, ctx)

    def _fail(self, where: str) -> None:
        if self.where == where:
            raise ModuleFailed(f"fails in {where}", {"item": "it"})


@pytest.mark.parametrize("where", ["start", "receive", "produce"])
def test_a_module_that_fails_is_left_out_and_the_next_one_runs(where: str) -> None:
    owner = Owner(Fails("a", where=where), Says("b", (("y", b"\2"),)))
    replies = [owner.take(*devmod("a", "b"))]
    if where != "start":
        replies.append(owner.take(("a:active", YES), ("a:word", b"\0")))
    assert ("b:y", b"\2") in replies[-1].kvs
    failed, running = owner.exchange.results
    assert (failed.ok, failed.detail) == (False, f"fails in {where}")
    assert failed.facts == {"item": "it"}
    assert (failed.offered, failed.accepted) == (where != "start", where != "start")
    assert (running.ok, running.detail) == (False, "was not answered")


@pytest.mark.parametrize("where", ["start", "receive", "produce"])
def test_a_required_module_that_fails_ends_the_run_and_is_named(where: str) -> None:
    owner = Owner(Fails("a", where=where, required=True), Says("b"))
    devmod_then_word = [devmod("a", "b"), (("a:active", YES), ("a:word", b"\0"))]
    with pytest.raises(RequiredModuleFailed, match=f"a: fails in {where}") as ended:
        [owner.take(*kvs) for kvs in devmod_then_word]
    assert ended.value.told.startswith("required ServiceInfo module a ")
    assert [one.detail for one in ended.value.results][1] == "was not reached"


def test_a_module_that_is_active_already_is_not_activated_again() -> None:
    owner = Owner(Says("m", (("x", b"\1"),)), Says("m", (("y", b"\2"),)))
    owner.take(*devmod("m"))
    assert owner.take(("m:active", YES), ("m:end", b"\0")).kvs == (("m:y", b"\2"),)
    assert owner.take(("m:end", b"\0")).done


def test_a_module_that_was_turned_down_is_asked_again_for_its_next_part() -> None:
    owner = Owner(Says("m"), Says("m"))
    owner.take(*devmod("m"))
    assert owner.take(("m:active", NO)).kvs == (("m:active", YES),)
    owner.take(("m:active", YES), ("m:end", b"\0"))
    assert [one.ok for one in owner.exchange.results] == [False, True]


def test_a_module_left_in_the_middle_is_not_asked_again() -> None:
    owner = Owner(Fails("m", where="receive"), Says("m"))
    owner.take(*devmod("m"))
    assert owner.take(("m:word", b"\0")).done
    assert "left in the middle" in owner.exchange.results[1].detail


def test_an_answer_without_active_stands_for_it() -> None:
    owner = Owner(Says("m"))
    owner.take(*devmod("m"))
    owner.take(("m:word", b"\0"))
    assert owner.exchange.runs[0].phase is Phase.ACTIVE


def test_messages_for_a_module_that_does_not_run_are_not_heard() -> None:
    first, second = Says("a"), Says("b")
    owner = Owner(first, second)
    owner.take(*devmod("a", "b"))
    owner.take(("b:early", b"\0"), ("c:unknown", b"\0"))
    assert second.heard == []


def test_long_values_are_cut_under_more_and_then_the_module_goes_on() -> None:
    owner = Owner(Says("m", (("big", BIG), ("after", b"\0"))), limit=256)
    replies = [owner.take(*devmod("m"))]
    while replies[-1].more:
        replies.append(owner.take())
    assert len(replies) > 8
    assert not any(one.done for one in replies)
    sent = [pair for one in replies for pair in one.kvs]
    joined = b"".join(value for key, value in sent if key == "m:big")
    assert joined == BIG
    assert sent[-1] == ("m:after", b"\0")


def test_owner_yields_when_both_have_more() -> None:
    owner = Owner(Says("m", (("big", BIG),)), limit=256)
    assert owner.take(*devmod("m")).more
    assert owner.take(("m:active", YES), more=True).kvs == ()
    assert owner.take().kvs != ()


def test_a_module_gone_in_the_middle_of_a_run_ends_it() -> None:
    owner = Owner(Says("m"))
    owner.take(*devmod("m"))
    exchange = owner.exchange
    other = Owner(Says("n"))
    with pytest.raises(ProtocolError, match="gone"):
        take_turn(exchange, DeviceServiceInfo(False), 3, other.round)


@pytest.mark.parametrize("index", range(9))
def test_an_exchange_that_is_not_ours_is_malformed(index: int) -> None:
    item = Exchange(NOW, (ModuleRun("m"),)).to_item()
    item[index] = 1.5
    with pytest.raises(MalformedError):
        Exchange.from_item(item)
