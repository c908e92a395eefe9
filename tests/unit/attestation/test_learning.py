"""Policies drafted from recorded boots, and what changes between two of them."""

from dataclasses import replace

import pytest

from attestation.boot_check import check_boot
from attestation.errors import PolicyError
from attestation.learning import Shown, beside, draft
from attestation.policy import AttestationPolicy, ReleasePolicy
from attestation.policy_text import policy_changes, policy_lines
from tests.support.boot_logs import RECORDED, recorded_log, recorded_pcrs

VALUE = "ab" * 32


def shown(name: str, *, logged: bool = True) -> Shown:
    values = {pcr: one.hex() for pcr, one in recorded_pcrs(name).items()}
    return Shown("sha256", values, recorded_log(name) if logged else b"")


def passes(policy: AttestationPolicy, name: str) -> bool:
    assert policy.measured_boot is not None
    one = shown(name)
    found = check_boot(policy.measured_boot, "sha256", one.boot_log, one.pcrs)
    return not found.failures


def test_a_machine_passes_what_was_learnt_from_it_and_another_does_not() -> None:
    policy = draft("box", 1, shown("secure-boot"))
    assert policy.quoted == (0, 2, 3, 4, 7, 8, 9, 14)
    assert policy.pcrs == {}
    assert passes(policy, "secure-boot")
    assert not passes(policy, "direct-boot")


def test_without_a_log_the_values_are_pinned_where_anything_was_measured() -> None:
    policy = draft("box", 1, shown("direct-boot", logged=False))
    assert tuple(policy.pcrs) == (0, 2, 3, 4, 7, 9)
    assert policy.measured_boot is None


def test_nothing_is_learnt_from_a_machine_that_measured_nothing() -> None:
    with pytest.raises(PolicyError):
        draft("box", 1, Shown("sha256", {0: "00" * 32, 7: "00" * 32}, b""))


def test_nothing_is_learnt_from_a_log_that_is_not_true() -> None:
    lying = replace(shown("secure-boot"), pcrs=shown("direct-boot").pcrs)
    with pytest.raises(PolicyError, match="does not replay"):
        draft("box", 1, lying)


def test_the_lease_of_the_version_before_is_kept() -> None:
    before = AttestationPolicy("box", 1, {7: (VALUE,)}, lease_seconds=60)
    assert draft("box", 2, shown("secure-boot"), before=before).lease_seconds == 60


def test_during_an_update_either_boot_will_do() -> None:
    old = draft("box", 1, shown("direct-boot"), (0, 4, 7))
    new = draft("box", 2, shown("secure-boot"), (0, 4, 7), old)
    both = beside(new, old)
    assert both.version == 2
    assert all(passes(both, name) for name in RECORDED)


def test_during_an_update_either_value_will_do() -> None:
    old = draft("box", 1, shown("direct-boot", logged=False), (7,))
    new = draft("box", 2, shown("secure-boot", logged=False), (7,), old)
    assert len(beside(new, old).pcrs[7]) == 2
    assert len(beside(replace(old, version=2), old).pcrs[7]) == 1


def test_versions_that_cover_different_pcrs_do_not_stand_side_by_side() -> None:
    old = draft("box", 1, shown("direct-boot"), (0, 4))
    for other in (
        draft("box", 2, shown("secure-boot"), (0, 4, 7)),
        draft("box", 2, shown("secure-boot", logged=False), (0, 4)),
    ):
        with pytest.raises(PolicyError, match="side by side"):
            beside(other, old)


def test_a_change_is_told_in_the_words_of_the_events() -> None:
    old = draft("box", 1, shown("direct-boot"), (7,))
    changes = policy_changes(old, draft("box", 2, shown("secure-boot"), (7,), old))
    assert any(
        line.startswith("- PCR 7: firmware setting: SecureBoot = off [")
        for line in changes
    )
    assert any(
        line.startswith("+ PCR 7: firmware setting: SecureBoot = on [")
        for line in changes
    )
    assert all(line[:2] in ("- ", "+ ") for line in changes)


def test_the_same_content_is_no_change_and_a_first_version_is_all_new() -> None:
    policy = draft("box", 1, shown("direct-boot"))
    assert policy_changes(policy, replace(policy, version=2)) == ()
    first = policy_changes(None, policy)
    assert first == tuple(f"+ {line}" for line in policy_lines(policy))


def test_release_policies_have_lines_too() -> None:
    before = ReleasePolicy()
    after = replace(before, version=2, max_age_seconds=60)
    assert policy_changes(before, after) == (
        "- max_age_seconds: 900",
        "+ max_age_seconds: 60",
    )
