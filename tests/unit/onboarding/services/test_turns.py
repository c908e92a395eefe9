"""Which version of a policy has its turn, where a verifier holds an agent to one."""

from dataclasses import replace

import pytest

from attestation.appraisal import Channel
from attestation.keylime.results import PullStatus
from attestation.policy import AttestationPolicy
from onboarding.services import turns
from onboarding.services.holding import Held, Updating, lease, told
from onboarding.store.appraisals import AppraisalRecord, Outcome
from tests.support.store_records import appraisal

ONE, TWO = ("11" * 32,), ("22" * 32,)
LIST, LONGER = "aa" * 32, "bb" * 32
NEW = AttestationPolicy("image", 2, {4: TWO}, runtime_policy=LONGER)
OLD = AttestationPolicy("image", 1, {4: ONE}, runtime_policy=LIST)
END = 1000
HELD = Held(NEW, update=Updating(OLD, END, bytes(32)))
VALUES_ONLY = Held(
    replace(NEW, runtime_policy=LIST), update=Updating(OLD, END, bytes(32))
)


def last(outcome: Outcome, policy: AttestationPolicy) -> AppraisalRecord:
    made = appraisal("a", outcome)
    return replace(made, policy_digest=bytes.fromhex(policy.digest()))


def status(policy: AttestationPolicy, passed: int, *, second: bool) -> PullStatus:
    return PullStatus(
        True, passed, None, None, "{}", "", policy.digest(), second=second
    )


def test_versions_with_other_lists_take_turns_on_both_channels() -> None:
    assert turns.versions(HELD, Channel.PUSH) == (NEW, OLD)
    assert turns.versions(HELD, Channel.PULL) == (NEW, OLD)


def test_versions_that_differ_in_values_alone_are_told_at_once_where_we_judge_too() -> (
    None
):
    assert turns.versions(VALUES_ONLY, Channel.PUSH) == (VALUES_ONLY.policy,)
    now = turns.turn(VALUES_ONLY, Channel.PUSH)
    assert now is not None
    assert now.pcrs == {4: (*TWO, *ONE)}
    # The verdict of pull is the verifier's alone: it must mix nothing.
    assert turns.versions(VALUES_ONLY, Channel.PULL) == (VALUES_ONLY.policy, OLD)
    now = turns.turn(VALUES_ONLY, Channel.PULL)
    assert now is not None
    assert now.pcrs == {4: TWO}


def test_outside_of_a_window_there_is_one_and_never_a_second_try() -> None:
    assert turns.versions(Held(NEW), Channel.PULL) == (NEW,)
    now = turns.turn(Held(NEW), Channel.PULL, last(Outcome.PASSED, OLD), OLD.digest())
    assert now == turns.Turn(NEW.pcrs, told(NEW))
    assert turns.versions(Held(), Channel.PULL) == ()
    assert turns.turn(Held(), Channel.PULL) is None


@pytest.mark.parametrize(
    ("appraised", "first"),
    [
        (None, NEW),
        (last(Outcome.PASSED, OLD), OLD),
        (last(Outcome.PASSED, NEW), NEW),
        (last(Outcome.FAILED, OLD), NEW),
        (last(Outcome.PASSED, replace(OLD, version=7)), NEW),
    ],
    ids=["never", "old passed", "new passed", "old failed", "another passed"],
)
def test_what_passed_last_comes_first(
    appraised: AppraisalRecord | None, first: AttestationPolicy
) -> None:
    now = turns.turn(HELD, Channel.PUSH, appraised)
    assert now == turns.Turn(first.pcrs, told(first))


def test_the_other_one_comes_second_and_the_verifier_keeps_that_it_does() -> None:
    instead = turns.other((NEW, OLD), OLD)
    assert instead is NEW
    now = turns.turn(
        HELD, Channel.PULL, last(Outcome.PASSED, OLD), instead=NEW.digest()
    )
    assert now == turns.Turn(NEW.pcrs, told(NEW, second=True))
    assert '"second": true' in str(now.told.members()["metadata"])
    assert turns.other((NEW,), NEW) is None


def test_no_other_version_helps_where_the_quote_itself_is_not_good() -> None:
    event = "qoute_validation.quote_validation"  # as Keylime writes it
    assert turns.other((NEW, OLD), OLD, event) is None


def test_both_have_failed_once_the_second_has_without_a_pass() -> None:
    assert turns.both_failed(status(NEW, 0, second=True))
    assert not turns.both_failed(status(NEW, 1, second=True))
    assert not turns.both_failed(status(OLD, 0, second=False))


def test_a_strangers_policy_has_no_turn() -> None:
    assert turns.tried((NEW, OLD), status(OLD, 0, second=False)) is OLD
    other = status(replace(OLD, version=7), 0, second=False)
    assert turns.tried((NEW, OLD), other) is None
    assert turns.tried_in_full((NEW, OLD), status(OLD, 0, second=False)) is None
    pcrs = replace(status(OLD, 0, second=False), tpm_policy=f'{{"4": ["{ONE[0]}"]}}')
    assert turns.tried_in_full((NEW, OLD), pcrs) is OLD


def test_a_pass_of_the_old_version_holds_for_the_window_at_most() -> None:
    assert lease(OLD, HELD.update, END - 10) == 10
    assert lease(OLD, HELD.update, END) == 0
    assert lease(NEW, HELD.update, END - 10) == NEW.lease_seconds


def test_without_a_policy_a_device_that_pushes_only_shows_itself() -> None:
    said = turns.SHOWS_ITSELF.told
    assert (turns.SHOWS_ITSELF.pcrs, said.policy, said.runtime) == ({}, "", "")
    assert said.boot is not None
    assert (said.boot.measured, said.boot.pcrs) == (None, frozenset())
    assert said.members()["mb_policy_name"] == f"vouchgate-{said.boot.digest}"
