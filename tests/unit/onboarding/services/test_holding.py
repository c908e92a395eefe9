"""What Keylime's verifier is told of a device that is getting another image."""

from dataclasses import replace

from attestation.appraisal import Channel
from attestation.keylime.tpm_policy import MAX_VALUES
from attestation.policy import AttestationPolicy
from onboarding.services.holding import Held, Updating, merged, not_carried
from tests.support.booted import (
    BOOT,
    learnt_policy,
    of_pcr_11,
    with_another_command_line,
)

ONE, TWO, THREE = ("11" * 32,), ("22" * 32,), ("33" * 32,)
NEW = AttestationPolicy("boot", 2, {4: TWO, 7: ONE})
OLD = AttestationPolicy("boot", 1, {4: ONE, 7: ONE})


def test_both_versions_values_are_allowed_pcr_by_pcr() -> None:
    both = Held(NEW, update=Updating(OLD, 100, bytes(32))).merged
    assert both is not None
    assert both.pcrs == {4: (*TWO, *ONE), 7: ONE}
    assert Held(NEW).merged is None


def test_versions_of_other_pcrs_are_not_merged() -> None:
    assert merged(NEW, AttestationPolicy("boot", 1, {4: ONE, 8: THREE})) is None


def test_versions_that_allow_other_files_are_not_merged() -> None:
    assert merged(NEW, replace(OLD, runtime_policy="aa" * 32)) is None


def test_more_values_than_keylime_is_to_hold_are_not_merged() -> None:
    many = tuple(f"{number:064x}" for number in range(MAX_VALUES))
    assert merged(NEW, replace(OLD, pcrs={4: many, 7: ONE})) is None


def test_a_device_that_updates_is_asked_for_both_versions_pcrs() -> None:
    other = AttestationPolicy("boot", 1, {4: ONE, 8: THREE})
    held = Held(NEW, update=Updating(other, 100, bytes(32)))
    assert held.asking(learn=False).pcrs == (4, 7, 8)


def test_the_boots_of_either_version_are_one_reference() -> None:
    new = learnt_policy()
    both = merged(new, replace(with_another_command_line(), pcrs=new.pcrs))
    assert both is not None
    assert both.boots is not None
    assert [one.name for one in both.boots.boots] == [BOOT, "quiet"]


def test_versions_that_cover_other_events_are_not_merged() -> None:
    new = learnt_policy()
    assert merged(new, of_pcr_11()) is None
    assert merged(new, replace(new, measured_boot=None, pcrs={7: ONE})) is None


def test_pull_alone_does_not_carry_events_that_no_log_tells_of() -> None:
    assert "PCR 11" in not_carried(of_pcr_11(), Channel.PULL)
    carried = [(of_pcr_11(), Channel.PUSH), (of_pcr_11(), Channel.EVIDENCE)]
    carried += [(learnt_policy(), Channel.PULL), (NEW, Channel.PULL)]
    assert not any(not_carried(*one) for one in carried)
