"""The release decision."""

from dataclasses import replace

import pytest

from attestation.appraisal import AppraisalFailure, Verdict
from attestation.binding import BindingClass
from attestation.documents import CLOCK_SKEW
from attestation.ek_verdict import EkClass
from attestation.errors import PolicyError
from attestation.facts import AssignedPolicy, Facts, Ownership, UpdateWindow
from attestation.policy import ReleasePolicy
from attestation.release import (
    Allow,
    DecisionRecord,
    Deny,
    DenyCode,
    Reason,
    decide,
    replay,
    span,
)
from ownership_vouchers.types import Guid
from tests.support.release import FACTS, GUID, NOW, POLICY, appraised

DEFAULT = ReleasePolicy()
ASSIGNED = AssignedPolicy.of(POLICY)
PCR_7 = AppraisalFailure("pcr", "PCR 7 has another value")


def reasons(
    facts: Facts, policy: ReleasePolicy = DEFAULT, now: int = NOW
) -> tuple[Reason, ...]:
    decision = decide(facts, policy, now)
    assert isinstance(decision, Deny)
    assert all(one.sentence and one.remedy for one in decision.reasons)
    return decision.reasons


def codes(
    facts: Facts, policy: ReleasePolicy = DEFAULT, now: int = NOW
) -> list[DenyCode]:
    return [one.code for one in reasons(facts, policy, now)]


def test_a_device_that_shows_everything_is_allowed_until_its_appraisal_is_old() -> None:
    decision = decide(FACTS, DEFAULT, NOW)
    assert isinstance(decision, Allow)
    assert decision.until == NOW - 60 + 900
    assert "last good appraisal is 60 s old, limit 15 min" in decision.reasons


DENIED: dict[str, tuple[Facts, list[DenyCode]]] = {
    "not onboarded": (
        replace(FACTS, ownership=Ownership.NOT_YET),
        [DenyCode.NOT_OWNED],
    ),
    "retired": (replace(FACTS, ownership=Ownership.RETIRED), [DenyCode.RETIRED]),
    "EK without certificate": (
        replace(FACTS, ek_class=EkClass.NO_CERTIFICATE),
        [DenyCode.EK_NOT_ACCEPTED],
    ),
    "EK accepted once": (
        replace(FACTS, ek_class=EkClass.ACCEPTED_ONCE),
        [DenyCode.EK_NOT_ACCEPTED],
    ),
    "EK refused": (
        replace(FACTS, ek_class=EkClass.REFUSED),
        [DenyCode.EK_NOT_ACCEPTED],
    ),
    "unbound": (
        replace(FACTS, binding_class=BindingClass.UNBOUND),
        [DenyCode.BINDING_UNKNOWN],
    ),
    "device key outside": (
        replace(FACTS, binding_class=BindingClass.KEY_OUTSIDE_TPM),
        [DenyCode.BINDING_NOT_ACCEPTED],
    ),
    "never appraised": (replace(FACTS, appraisal=None), [DenyCode.NEVER_APPRAISED]),
    "failed": (
        appraised(verdict=Verdict.FAILED, failures=(PCR_7,)),
        [DenyCode.APPRAISAL_FAILED],
    ),
    "nothing compared": (
        appraised(verdict=Verdict.NOT_CHECKED, compared=()),
        [DenyCode.NOT_CHECKED, DenyCode.COMPARED_TOO_LITTLE],
    ),
    "too little compared": (
        appraised(compared=("pcr:sha256:0",)),
        [DenyCode.COMPARED_TOO_LITTLE],
    ),
    "compared in another bank": (
        appraised(compared=("pcr:sha384:0", "pcr:sha384:7")),
        [DenyCode.COMPARED_TOO_LITTLE],
    ),
    "another device's appraisal": (
        appraised(guid=Guid(bytes(16))),
        [DenyCode.APPRAISAL_OF_ANOTHER],
    ),
    "older policy": (appraised(policy_digest="00" * 32), [DenyCode.OTHER_POLICY]),
    "no policy": (
        replace(FACTS, policy=None),
        [DenyCode.NO_POLICY, DenyCode.NEVER_APPRAISED],
    ),
    "policy that asks nothing": (
        replace(FACTS, policy=replace(ASSIGNED, required=())),
        [DenyCode.NO_POLICY],
    ),
    "stale": (appraised(at=NOW - 901), [DenyCode.STALE]),
    "from the future": (
        appraised(at=NOW + CLOCK_SKEW + 1),
        [DenyCode.FROM_THE_FUTURE],
    ),
    "short lease": (
        replace(FACTS, policy=replace(ASSIGNED, lease_seconds=59)),
        [DenyCode.STALE],
    ),
    "nothing assigned": (
        replace(FACTS, manifest_digest=None),
        [DenyCode.NOTHING_ASSIGNED],
    ),
    "frozen": (replace(FACTS, freezes=("fleet",)), [DenyCode.FROZEN]),
    "withdrawn": (replace(FACTS, withdrawn=True), [DenyCode.WITHDRAWN]),
}


@pytest.mark.parametrize("case", DENIED)
def test_one_thing_wrong_denies_and_is_named(case: str) -> None:
    facts, expected = DENIED[case]
    assert codes(facts) == expected


def test_a_withdrawal_is_said_to_end_in_ways_that_there_are() -> None:
    (reason,) = reasons(replace(FACTS, withdrawn=True))
    assert "proved the removal" in reason.remedy
    assert "freeze" in reason.remedy
    assert "clear" not in reason.remedy


def test_every_reason_there_is_has_a_case() -> None:
    shown = {code for _, expected in DENIED.values() for code in expected}
    unknown = codes(Facts(GUID))
    labels = codes(FACTS, ReleasePolicy(required_labels={"site": "oslo"}))
    identity = codes(FACTS, ReleasePolicy(factory_identity=True))
    assert shown.union(unknown, labels, identity) == set(DenyCode)


def test_a_device_of_which_nothing_is_known_is_told_all_that_is_missing() -> None:
    assert len(codes(Facts(GUID))) == 9


def test_a_stale_reason_says_age_and_limit_and_what_to_do() -> None:
    (reason,) = reasons(appraised(at=NOW - 31 * 60))
    assert reason.sentence == "last good appraisal is 31 min old, limit 15 min"
    assert "attest" in reason.remedy


def test_an_old_failure_is_not_called_good() -> None:
    found = reasons(appraised(at=NOW - 31 * 60, verdict=Verdict.FAILED))
    told = [one.sentence for one in found if one.code is DenyCode.STALE]
    assert told == ["last appraisal is 31 min old, limit 15 min"]


def test_an_appraisal_holds_to_its_last_second() -> None:
    assert isinstance(decide(appraised(at=NOW - 900), DEFAULT, NOW), Allow)
    (reason,) = reasons(appraised(at=NOW - 905))
    assert reason.sentence == "last good appraisal is 905 s old, limit 900 s"


def test_the_release_policy_may_be_stricter_than_the_lease() -> None:
    assert codes(FACTS, ReleasePolicy(max_age_seconds=30)) == [DenyCode.STALE]
    longer = decide(FACTS, ReleasePolicy(max_age_seconds=9999), NOW)
    assert isinstance(longer, Allow)
    assert longer.until == NOW - 60 + 900


def test_a_failure_is_told_with_what_failed() -> None:
    (reason,) = reasons(appraised(verdict=Verdict.FAILED, failures=(PCR_7,)))
    assert "PCR 7 has another value" in reason.sentence


def test_a_weaker_class_is_released_where_policy_says_so() -> None:
    facts = replace(
        FACTS,
        ek_class=EkClass.NO_CERTIFICATE,
        binding_class=BindingClass.KEY_OUTSIDE_TPM,
    )
    policy = ReleasePolicy(
        accepted_ek=frozenset({EkClass.NO_CERTIFICATE}),
        accepted_binding=frozenset({BindingClass.KEY_OUTSIDE_TPM}),
    )
    assert isinstance(decide(facts, policy, NOW), Allow)


def test_labels_must_be_those_asked_for() -> None:
    policy = ReleasePolicy(required_labels={"site": "berlin"})
    assert isinstance(decide(FACTS, policy, NOW), Allow)
    other = replace(FACTS, labels={"site": "oslo"})
    assert codes(other, policy) == [DenyCode.LABELS]


@pytest.mark.parametrize("case", DENIED)
def test_a_stored_denial_replays_to_itself(case: str) -> None:
    stored = DecisionRecord.make(DENIED[case][0], DEFAULT, NOW)
    again = DecisionRecord.from_json(stored.to_json())
    assert again == stored
    assert replay(again) == stored.decision


def test_a_stored_allowance_replays_to_itself() -> None:
    stored = DecisionRecord.make(FACTS, DEFAULT, NOW)
    again = DecisionRecord.from_json(stored.to_json())
    assert again == stored
    assert replay(again) == stored.decision


def test_a_record_that_claims_another_outcome_is_found_by_replay() -> None:
    stored = DecisionRecord.make(DENIED["stale"][0], DEFAULT, NOW)
    forged = replace(stored, decision=decide(FACTS, DEFAULT, NOW))
    assert replay(DecisionRecord.from_json(forged.to_json())) != forged.decision


def test_a_record_with_a_fact_missing_is_not_read() -> None:
    document = DecisionRecord.make(FACTS, DEFAULT, NOW).to_json()
    facts = FACTS.to_json()
    del facts["freezes"]
    with pytest.raises(PolicyError):
        DecisionRecord.from_json({**document, "facts": facts})


BAD_DECISIONS: dict[str, object] = {
    "no reason at all": {"allow": False, "reasons": [], "until": None},
    "a code that is none": {
        "allow": False,
        "reasons": [["because", "x", "y"]],
        "until": None,
    },
    "half a reason": {"allow": False, "reasons": [["frozen", "x"]], "until": None},
    "allowed without end": {"allow": True, "reasons": ["x"], "until": None},
    "maybe": {"allow": None, "reasons": [], "until": None},
}


@pytest.mark.parametrize("case", BAD_DECISIONS)
def test_a_decision_of_another_shape_is_not_read(case: str) -> None:
    document = DecisionRecord.make(FACTS, DEFAULT, NOW).to_json()
    with pytest.raises(PolicyError):
        DecisionRecord.from_json({**document, "decision": BAD_DECISIONS[case]})


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (119, "119 s"),
        (120, "2 min"),
        (31 * 60 + 59, "31 min"),
        (7200, "2 h"),
        (3 * 86400, "3 d"),
    ],
)
def test_lengths_of_time_are_said_as_people_do(seconds: int, said: str) -> None:
    assert span(seconds) == said


NEW = AssignedPolicy.of(replace(POLICY, version=POLICY.version + 1))
UPDATING = replace(FACTS, policy=NEW, update=UpdateWindow(ASSIGNED, NOW + 100))


def test_in_an_update_window_the_version_before_counts_and_no_longer_than_it() -> None:
    decision = decide(UPDATING, DEFAULT, NOW)
    assert isinstance(decision, Allow)
    assert decision.until == NOW + 100
    over = replace(UPDATING, update=UpdateWindow(ASSIGNED, NOW - 1))
    assert codes(over) == [DenyCode.OTHER_POLICY, DenyCode.STALE]
    assert "the update window is over" in reasons(over)[0].sentence


def test_without_a_window_the_version_before_counts_for_nothing() -> None:
    assert codes(replace(UPDATING, update=None)) == [DenyCode.OTHER_POLICY]


def test_a_window_to_another_policy_lets_nothing_pass() -> None:
    other = UpdateWindow(replace(ASSIGNED, digest="0" * 64), NOW + 100)
    assert codes(replace(UPDATING, update=other)) == [DenyCode.OTHER_POLICY]


def test_the_new_version_is_not_cut_short_by_the_window() -> None:
    facts = replace(FACTS, update=UpdateWindow(NEW, NOW + 1))
    decision = decide(facts, DEFAULT, NOW)
    assert isinstance(decision, Allow)
    assert decision.until == NOW - 60 + 900


def test_a_decision_in_a_window_is_made_again_from_what_is_stored() -> None:
    made = DecisionRecord.make(UPDATING, DEFAULT, NOW)
    again = DecisionRecord.from_json(made.to_json())
    assert (again.facts, replay(again)) == (UPDATING, made.decision)
    assert "update" not in FACTS.to_json()


ASKING = ReleasePolicy(factory_identity=True)


@pytest.mark.parametrize("identity", [None, False])
def test_a_factory_identity_that_is_asked_for_is_needed(identity: bool | None) -> None:
    facts = replace(FACTS, factory_identity=identity)
    assert codes(facts, ASKING) == [DenyCode.NO_IDENTITY]
    assert isinstance(decide(facts, ReleasePolicy(), NOW), Allow)


def test_a_trusted_makers_identity_is_told_where_it_was_asked_for() -> None:
    facts = replace(FACTS, factory_identity=True)
    asked, plain = (decide(facts, one, NOW) for one in (ASKING, ReleasePolicy()))
    assert isinstance(asked, Allow)
    assert isinstance(plain, Allow)
    (told,) = set(asked.reasons) - set(plain.reasons)
    assert told == "its factory identity is of a trusted maker"
    assert Facts.from_json(facts.to_json()) == facts
    assert ReleasePolicy.from_json(ASKING.to_json()) == ASKING
    assert "factory_identity" not in ReleasePolicy().to_json()
