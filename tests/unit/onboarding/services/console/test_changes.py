"""What differs between two versions of a policy."""

from hypothesis import given
from hypothesis import strategies as st

from attestation.policy import AttestationPolicy, ReleasePolicy
from onboarding.services.console.changes import Change, changes, members

OLD = AttestationPolicy("boot", 1, {7: ("ab" * 32, "cd" * 32)}, lease_seconds=600)
NEW = AttestationPolicy("boot", 2, {0: ("01" * 32,), 7: ("ab" * 32,)})
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner)
    ),
    max_leaves=8,
)
POLICIES = st.dictionaries(st.sampled_from(["pcrs", "bank", "rules"]), VALUES)


def test_each_member_says_what_it_lost_got_and_kept() -> None:
    assert changes(OLD.to_json(), NEW.to_json()) == (
        Change("lease_seconds", ("600",), ("900",), ()),
        Change("pcrs 0", (), ("01" * 32,), ()),
        Change("pcrs 7", ("cd" * 32,), (), ("ab" * 32,)),
    )


def test_what_goes_altogether_is_a_change() -> None:
    labels = ReleasePolicy(required_labels={"site": "here"})
    (found,) = changes(labels.to_json(), ReleasePolicy().to_json())
    assert found == Change("required_labels site", ("here",), (), ())


@given(POLICIES)
def test_a_policy_does_not_differ_from_itself(policy: dict[str, object]) -> None:
    told = {**policy, "version": 1, "digest": "a", "created_at": 1}
    again = {**policy, "version": 2, "digest": "b", "created_at": 2}
    assert changes(told, again) == ()


@given(POLICIES, POLICIES)
def test_what_one_way_adds_the_other_way_removes(
    one: dict[str, object], other: dict[str, object]
) -> None:
    there = {(found.path, found.added) for found in changes(one, other)}
    back = {(found.path, found.removed) for found in changes(other, one)}
    assert there == back


def test_members_are_told_in_full() -> None:
    assert ("pcrs 7", ("ab" * 32, "cd" * 32)) in members(OLD.to_json())
