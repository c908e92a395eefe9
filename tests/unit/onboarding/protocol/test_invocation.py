"""One step of a plan for one device: its variables, and its time."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from onboarding.protocol.errors import ModuleFailed
from onboarding.protocol.fdo_upload import UploadModule
from onboarding.protocol.invocation import Invocation, PlanStep
from onboarding.protocol.modules import OwnerModule, Progress
from ownership_vouchers import cbor
from tests.support.module_pair import GUID, NEXT_GUID, context

FACTS = {"serial": "SN-1", "model": "board"}
NEEDS = frozenset({"guid", "next_guid", "serial", "devmod.arch"})
CTX = replace(context(), devmod={"arch": "aarch64"})


def build(values: Mapping[str, str]) -> OwnerModule:
    return UploadModule("/".join(values[name] for name in sorted(values)))


STEP = Invocation(PlanStep("fdo.upload", True, 60, NEEDS, build), FACTS)


def test_a_step_is_made_of_what_voucher_and_device_say() -> None:
    state = cbor.decode(cbor.encode(STEP.start(CTX)))
    _, messages, progress = STEP.produce(state, 1300, CTX)
    assert cbor.decode(dict(messages)["name"]) == f"aarch64/{GUID}/{NEXT_GUID}/SN-1"
    assert progress is Progress.WAITING


def test_values_stay_what_they_were_when_the_step_began() -> None:
    state = cbor.decode(cbor.encode(STEP.start(CTX)))
    changed = replace(CTX, devmod={"arch": "x86_64"})
    state, _, _ = STEP.produce(state, 1300, changed)
    state = STEP.receive(state, "length", cbor.encode(1), changed)
    assert "aarch64" in str(state)


@pytest.mark.parametrize(
    "value", ["", "..", "a/b", "a b", "-rf", "a\n", "$(id)", "x" * 129, "ä", "a;b"]
)
def test_what_a_device_says_is_used_only_if_it_is_plain(value: str) -> None:
    with pytest.raises(ModuleFailed, match=r"devmod\.arch"):
        STEP.start(replace(CTX, devmod={"arch": value}))


def test_what_a_device_does_not_say_fails_the_step() -> None:
    with pytest.raises(ModuleFailed, match="does not tell its serial"):
        Invocation(STEP.step, {}).start(CTX)


def test_a_serial_that_the_voucher_does_not_tell_is_the_one_in_devmod() -> None:
    told = replace(CTX, devmod={"arch": "aarch64", "sn": "SN-2"})
    assert "SN-2" in str(Invocation(STEP.step, {"serial": ""}).start(told))
    assert "SN-1" in str(STEP.start(told))


def test_values_that_make_no_module_fail_the_step() -> None:
    def refuse(values: Mapping[str, str]) -> OwnerModule:
        raise ValueError("of no use")

    with pytest.raises(ModuleFailed, match="of no use"):
        Invocation(replace(STEP.step, build=refuse), FACTS).start(CTX)


def test_a_step_that_takes_too_long_fails() -> None:
    state, _, _ = STEP.produce(STEP.start(CTX), 1300, CTX)
    in_time, late = replace(CTX, now=CTX.now + 60), replace(CTX, now=CTX.now + 61)
    STEP.produce(state, 1300, in_time)
    with pytest.raises(ModuleFailed, match="within 60 s"):
        STEP.produce(state, 1300, late)
    with pytest.raises(ModuleFailed, match="within 60 s"):
        STEP.receive(state, "length", cbor.encode(1), late)
