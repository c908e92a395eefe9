"""What a plug-in's module does wrong fails that module, and nothing else."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from onboarding.protocol.errors import ModuleFailed, ModuleStopped
from onboarding.protocol.guard import GuardedDevice, GuardedOwner
from onboarding.protocol.modules import Message, ModuleContext, ModuleResult, Progress
from ownership_vouchers import cbor
from tests.support.module_pair import context

ITEM = cbor.encode(1)


class Owner:
    """An owner module of which single methods are replaced."""

    name = "com.example.other"
    required = False

    def __init__(self, **replaced: Callable[..., Any]) -> None:
        self.__dict__.update(replaced)

    def start(self, ctx: ModuleContext) -> object:
        return ("new", 1)

    def receive(
        self, state: object, message: str, value: bytes, ctx: ModuleContext
    ) -> object:
        return state

    def produce(
        self, state: object, budget: int, ctx: ModuleContext
    ) -> tuple[object, list[Message], Progress]:
        return state, [("x", ITEM)], Progress.DONE

    def result(self, state: object) -> ModuleResult:
        return ModuleResult(self.name, True, "done", {"bytes": 1})


class Device:
    """A device module that answers as it is told."""

    name = "com.example.other"

    def __init__(self, answer: Callable[[], Any]) -> None:
        self._answer = answer

    def activated(self) -> Sequence[Message]:
        return self._answer()  # type: ignore[no-any-return]

    def receive(self, message: str, value: bytes) -> Sequence[Message]:
        return self._answer()  # type: ignore[no-any-return]


def guarded(**replaced: Callable[..., Any]) -> GuardedOwner:
    return GuardedOwner(Owner(**replaced), "com.example.m", True)


def used(module: GuardedOwner) -> ModuleResult:
    """Call every method once."""
    state = module.start(context())
    state = module.receive(state, "m", ITEM, context())
    state, said, progress = module.produce(state, 1300, context())
    assert (said, progress) == ([("x", ITEM)], Progress.DONE)
    return module.result(state)


def fail(*_: object) -> Any:
    raise KeyError("oops")


def test_a_module_that_does_well_is_left_alone_under_its_installed_name() -> None:
    module = guarded()
    result = used(module)
    assert (module.name, module.required) == ("com.example.m", True)
    assert (result.name, result.ok, result.facts) == (
        "com.example.m",
        True,
        {"bytes": 1},
    )
    assert module.start(context()) == ["new", 1]  # as it will come back


WRONG: dict[str, dict[str, Callable[..., Any]]] = {
    "start raises": {"start": fail},
    "receive raises": {"receive": fail},
    "produce raises": {"produce": fail},
    "result raises": {"result": fail},
    "a state that CBOR has not": {"start": lambda _: object()},
    "an endless state": {"start": lambda _: bytes(65536)},
    "produce returns nothing": {"produce": lambda *_: None},
    "progress there is not": {"produce": lambda *_: (1, [], "soon")},
    "messages that are none": {"produce": lambda *_: (1, [1], Progress.DONE)},
    "a message without a name": {
        "produce": lambda *_: (1, [("", ITEM)], Progress.DONE)
    },
    "a name with a colon": {"produce": lambda *_: (1, [("a:b", ITEM)], Progress.DONE)},
    "a value that is no bytes": {"produce": lambda *_: (1, [("a", 1)], Progress.DONE)},
    "a value that is no CBOR": {
        "produce": lambda *_: (1, [("a", b"\xff")], Progress.DONE)
    },
    "too many messages": {
        "produce": lambda *_: (1, [("a", ITEM)] * 257, Progress.DONE)
    },
    "too many bytes": {
        "produce": lambda *_: (1, [("a", cbor.encode(bytes(1 << 20)))], Progress.DONE)
    },
    "facts that CBOR has not": {
        "result": lambda _: ModuleResult("m", True, "", {"a": object()})
    },
    "facts that are none": {"result": lambda _: ModuleResult("m", True, "", 1)},  # type: ignore[arg-type]
    "a result that is none": {"result": lambda _: None},
}


@pytest.mark.parametrize("name", WRONG)
def test_a_module_that_does_wrong_fails_by_itself(name: str) -> None:
    with pytest.raises(ModuleFailed):
        used(guarded(**WRONG[name]))


def test_a_module_that_fails_in_order_keeps_its_facts() -> None:
    def refuse(*_: object) -> Any:
        raise ModuleFailed("not like that", {"item": "x"})

    with pytest.raises(ModuleFailed, match="not like that") as failed:
        used(guarded(receive=refuse))
    assert failed.value.facts == {"item": "x"}


def test_a_module_that_calls_itself_without_end_fails() -> None:
    def endless(*_: object) -> Any:
        return endless()

    with pytest.raises(ModuleFailed, match="RecursionError"):
        used(guarded(start=endless))


def test_a_device_module_that_does_well_is_heard() -> None:
    module = GuardedDevice(Device(lambda: (("x", ITEM),)), "com.example.m")
    assert module.activated() == module.receive("m", ITEM) == [("x", ITEM)]


@pytest.mark.parametrize("answer", [fail, lambda: None, lambda: [("x", b"")]])
def test_a_device_module_that_does_wrong_stops_the_run_by_name(
    answer: Callable[[], Any],
) -> None:
    module = GuardedDevice(Device(answer), "com.example.m")
    for ask in (module.activated, lambda: module.receive("m", ITEM)):
        with pytest.raises(ModuleStopped, match=r"com\.example\.m") as stopped:
            ask()
        assert stopped.value.told == "ServiceInfo module com.example.m failed"
