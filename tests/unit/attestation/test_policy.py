"""Attestation and release policies."""

from dataclasses import replace
from typing import Any

import pytest

from attestation.binding import BindingClass
from attestation.ek_verdict import EkClass
from attestation.errors import PolicyError
from attestation.policy import AttestationPolicy, ReleasePolicy
from tests.support.release import POLICY

VALUE = "ab" * 32


def test_a_policy_survives_json_and_keeps_its_digest() -> None:
    again = AttestationPolicy.from_json(POLICY.to_json())
    assert again == POLICY
    assert again.digest() == POLICY.digest()


def test_the_digest_does_not_depend_on_the_order_of_pcrs() -> None:
    turned = replace(POLICY, pcrs=dict(sorted(POLICY.pcrs.items(), reverse=True)))
    assert turned.digest() == POLICY.digest()


def test_every_change_changes_the_digest() -> None:
    changes: list[dict[str, Any]] = [
        {"name": "other"},
        {"version": 3},
        {"pcrs": {0: (VALUE,)}},
        {"bank": "sha384", "pcrs": {0: ("ab" * 48,)}},
        {"lease_seconds": 901},
    ]
    digests = {replace(POLICY, **change).digest() for change in changes}
    assert len(digests | {POLICY.digest()}) == len(changes) + 1


def test_a_policy_cannot_be_changed_from_outside() -> None:
    pcrs = {0: (VALUE,)}
    policy = replace(POLICY, pcrs=pcrs)
    pcrs.clear()
    assert policy.required == ("pcr:sha256:0",)


BAD: dict[str, dict[str, Any]] = {
    "pins nothing": {"pcrs": {}},
    "no accepted value": {"pcrs": {7: ()}},
    "short value": {"pcrs": {7: ("00",)}},
    "upper case": {"pcrs": {7: ("AA" * 32,)}},
    "not hex": {"pcrs": {7: ("zz" * 32,)}},
    "value of another bank": {"bank": "sha384"},
    "PCR 24": {"pcrs": {24: (VALUE,)}},
    "PCR -1": {"pcrs": {-1: (VALUE,)}},
    "IMA's PCR": {"pcrs": {10: (VALUE,)}},
    "a PCR that software resets": {"pcrs": {0: (VALUE,), 16: (VALUE,)}},
    "another such PCR": {"pcrs": {23: (VALUE,)}},
    "sha1": {"bank": "sha1"},
    "odd name": {"name": "a/b"},
    "no name": {"name": ""},
    "version 0": {"version": 0},
    "no lease": {"lease_seconds": 0},
    "endless lease": {"lease_seconds": 1 << 40},
    "endless version": {"version": 1 << 31},
    "a PCR nothing is measured into": {"pcrs": {7: ("00" * 32,)}},
    "a PCR of a dynamic launch that never was": {"pcrs": {17: ("ff" * 32,)}},
    "each PCR measured into or not": {
        "pcrs": {0: (VALUE, "00" * 32), 7: (VALUE, "00" * 32)}
    },
}


@pytest.mark.parametrize("case", BAD)
def test_a_policy_that_would_mean_nothing_is_refused(case: str) -> None:
    with pytest.raises(PolicyError):
        replace(POLICY, **BAD[case])


def test_a_pcr_may_be_pinned_to_its_reset_value_beside_one_that_is_not() -> None:
    policy = replace(POLICY, pcrs={11: ("00" * 32,), 7: (VALUE,)})
    assert len(policy.required) == 2


BAD_JSON: dict[str, dict[str, Any]] = {
    "a field more": {"extra": 1},
    "version as text": {"version": "2"},
    "version as truth": {"version": True},
    "PCRs as array": {"pcrs": [1]},
    "PCR number with a zero": {"pcrs": {"07": [VALUE]}},
    "PCR number as word": {"pcrs": {"seven": [VALUE]}},
    "value not in an array": {"pcrs": {"7": VALUE}},
    "value as number": {"pcrs": {"7": [1]}},
    "no bank": {"bank": None},
}


@pytest.mark.parametrize("case", BAD_JSON)
def test_json_of_another_shape_is_refused(case: str) -> None:
    with pytest.raises(PolicyError):
        AttestationPolicy.from_json({**POLICY.to_json(), **BAD_JSON[case]})


def test_the_default_release_policy_accepts_only_what_was_proven() -> None:
    policy = ReleasePolicy()
    assert policy.accepted_binding == {BindingClass.TPM_BOUND}
    assert policy.accepted_ek == {EkClass.VENDOR_TRUSTED, EkClass.PASSPORT_TRUSTED}


def test_a_release_policy_survives_json() -> None:
    policy = ReleasePolicy(required_labels={"site": "berlin"}, max_age_seconds=60)
    again = ReleasePolicy.from_json(policy.to_json())
    assert again == policy
    assert again.digest() == policy.digest() != ReleasePolicy().digest()


BAD_RELEASE: dict[str, dict[str, Any]] = {
    "a refused EK": {"accepted_ek": frozenset(EkClass)},
    "an unbound device": {"accepted_binding": frozenset(BindingClass)},
    "no EK at all": {"accepted_ek": frozenset()},
    "no binding at all": {"accepted_binding": frozenset()},
    "no age": {"max_age_seconds": 0},
    "version 0": {"version": 0},
    "endless version": {"version": 1 << 31},
    "a label without a name": {"required_labels": {"": "x"}},
    "a label too long": {"required_labels": {"site": "x" * 257}},
    "too many labels": {"required_labels": {str(n): "x" for n in range(65)}},
}


@pytest.mark.parametrize("case", BAD_RELEASE)
def test_a_release_policy_that_would_accept_all_or_none_is_refused(case: str) -> None:
    with pytest.raises(PolicyError):
        ReleasePolicy(**BAD_RELEASE[case])


def test_a_class_we_do_not_know_is_not_accepted() -> None:
    document = {**ReleasePolicy().to_json(), "accepted_ek": ["probably-fine"]}
    with pytest.raises(PolicyError):
        ReleasePolicy.from_json(document)
