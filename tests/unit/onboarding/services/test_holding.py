"""What Keylime's verifier is told of a device that is getting another image."""

from dataclasses import replace

from attestation.appraisal import Channel
from attestation.keylime.tpm_policy import MAX_VALUES
from attestation.policy import AttestationPolicy
from onboarding.services.holding import Held, Updating, not_carried, told
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
    held = Held(NEW, update=Updating(OLD, 100, bytes(32)))
    assert held.verifier_pcrs == {4: (*TWO, *ONE), 7: ONE}


def test_versions_of_other_pcrs_are_not_mixed() -> None:
    other = AttestationPolicy("boot", 1, {4: ONE, 8: THREE})
    held = Held(NEW, update=Updating(other, 100, bytes(32)))
    assert held.verifier_pcrs == NEW.pcrs
    assert Held(NEW).verifier_pcrs == NEW.pcrs


def test_more_values_than_keylime_is_to_hold_are_those_of_the_new_version_alone() -> (
    None
):
    many = tuple(f"{number:064x}" for number in range(MAX_VALUES))
    held = Held(NEW, update=Updating(replace(OLD, pcrs={4: many, 7: ONE}), 100, b""))
    assert held.verifier_pcrs == NEW.pcrs


def test_a_device_that_updates_is_asked_for_both_versions_pcrs() -> None:
    other = AttestationPolicy("boot", 1, {4: ONE, 8: THREE})
    held = Held(NEW, update=Updating(other, 100, bytes(32)))
    assert held.asking(learn=False).pcrs == (4, 7, 8)


def test_in_a_window_the_boots_of_either_version_are_told() -> None:
    new, old = learnt_policy(), with_another_command_line()
    said = told(new, Updating(old, 100, bytes(32)))
    assert said.policy == new.digest()
    assert said.boot is not None
    assert said.boot.measured is not None
    assert [one.name for one in said.boot.measured.boots] == [BOOT, "quiet"]
    alone = told(new, Updating(OLD, 100, bytes(32))).boot
    assert alone == told(new).boot != said.boot


def test_versions_that_cover_other_pcrs_are_not_one_reference() -> None:
    new = learnt_policy()
    assert told(new, Updating(of_pcr_11(), 100, bytes(32))).boot == told(new).boot


def test_pull_alone_does_not_carry_events_that_no_log_tells_of() -> None:
    assert "PCR 11" in not_carried(of_pcr_11(), Channel.PULL)
    carried = [(of_pcr_11(), Channel.PUSH), (of_pcr_11(), Channel.EVIDENCE)]
    carried += [(learnt_policy(), Channel.PULL), (NEW, Channel.PULL)]
    assert not any(not_carried(*one) for one in carried)


def test_without_a_policy_a_device_that_pushes_only_shows_itself() -> None:
    pcrs, said = Held().pushed
    assert (pcrs, said.policy, said.runtime) == ({}, "", "")
    assert said.boot is not None
    assert (said.boot.measured, said.boot.pcrs) == (None, frozenset())
    assert said.members()["mb_policy_name"] == f"vouchgate-{said.boot.digest}"
