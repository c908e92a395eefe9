"""What Keylime's verifier is told of a device that is getting another image."""

from dataclasses import replace

from attestation.keylime.tpm_policy import MAX_VALUES
from attestation.policy import AttestationPolicy
from onboarding.services.holding import Held, Updating

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
