"""The part of a policy about the boot's event log."""

from dataclasses import replace
from typing import Any

import pytest

from attestation.errors import PolicyError
from attestation.measured_boot import MeasuredBoot, ReferenceBoot, ReferenceEvent
from attestation.policy import AttestationPolicy
from tests.support.release import POLICY

EVENT = ReferenceEvent("EV_IPL", "ab" * 32, 'kernel command line: "ro"')
BOOT = ReferenceBoot("bookworm", {8: (EVENT,)})
MEASURED = MeasuredBoot((BOOT,))
WITH_BOOT = AttestationPolicy("boot", 1, {}, measured_boot=MEASURED)


def test_a_policy_may_cover_the_boot_by_its_events_alone() -> None:
    assert WITH_BOOT.quoted == (8,)
    assert WITH_BOOT.required == ("boot:sha256:8",)
    assert WITH_BOOT.needs_logs
    again = AttestationPolicy.from_json(WITH_BOOT.to_json())
    assert again == WITH_BOOT
    assert again.digest() == WITH_BOOT.digest()


def test_a_policy_of_values_has_the_digest_it_always_had() -> None:
    plain = AttestationPolicy("boot", 1, {7: ("ab" * 32,)})
    assert plain.digest() == (
        "9c1bbd3e7956183d732c074b97150a23e443978570ddb44ac0695f4fbaba2a21"
    )
    assert not plain.needs_logs
    spelt = AttestationPolicy.from_json({**plain.to_json(), "measured_boot": None})
    assert spelt.digest() == plain.digest()


def test_the_reference_is_in_the_digest() -> None:
    other = replace(BOOT, pcrs={8: (replace(EVENT, digest="cd" * 32),)})
    changed = replace(WITH_BOOT, measured_boot=MeasuredBoot((other,)))
    assert changed.digest() != WITH_BOOT.digest()


BAD: dict[str, dict[str, Any]] = {
    "no event": {"pcrs": {8: ()}},
    "no PCR": {"pcrs": {}},
    "IMA's PCR": {"pcrs": {10: (EVENT,)}},
    "a PCR of a dynamic launch": {"pcrs": {17: (EVENT,)}},
    "a PCR that software resets": {"pcrs": {8: (EVENT,), 16: (EVENT,)}},
    "no name": {"name": ""},
    "a name over two lines": {"name": "a\nb"},
}


@pytest.mark.parametrize("change", BAD.values(), ids=BAD)
def test_a_reference_that_would_judge_nothing_is_refused(
    change: dict[str, Any],
) -> None:
    with pytest.raises(PolicyError):
        replace(BOOT, **change)


BAD_EVENTS: dict[str, dict[str, str]] = {
    "a type of no log": {"type": "ev_ipl"},
    "upper case": {"digest": "AB" * 32},
    "no digest": {"digest": ""},
    "words with a control character": {"says": "\x1b[2J"},
    "words without end": {"says": "x" * 513},
}


@pytest.mark.parametrize("change", BAD_EVENTS.values(), ids=BAD_EVENTS)
def test_an_event_that_is_none_is_refused(change: dict[str, str]) -> None:
    with pytest.raises(PolicyError):
        replace(EVENT, **change)


def test_boots_side_by_side_cover_the_same_pcrs_under_different_names() -> None:
    with pytest.raises(PolicyError, match="same PCRs"):
        MeasuredBoot((BOOT, ReferenceBoot("next", {9: (EVENT,)})))
    with pytest.raises(PolicyError, match="different names"):
        MeasuredBoot((BOOT, BOOT))
    with pytest.raises(PolicyError):
        MeasuredBoot(())


def test_a_pcr_is_not_pinned_twice_nor_in_another_bank() -> None:
    with pytest.raises(PolicyError, match="by value and by its events"):
        replace(WITH_BOOT, pcrs={8: ("ab" * 32,)})
    with pytest.raises(PolicyError, match="96 hex digits"):
        replace(WITH_BOOT, bank="sha384")


@pytest.mark.parametrize(
    "part", [[], "x", {"boots": []}, {"boots": [{"name": "x", "pcrs": {"8": [["a"]]}}]}]
)
def test_a_part_of_another_shape_is_refused(part: object) -> None:
    with pytest.raises(PolicyError):
        AttestationPolicy.from_json({**POLICY.to_json(), "measured_boot": part})
