"""What differs between two versions of a policy."""

from hypothesis import given
from hypothesis import strategies as st

from attestation.measured_boot import MeasuredBoot, ReferenceBoot, ReferenceEvent
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


def boot(name: str, digest: str, says: str) -> ReferenceBoot:
    return ReferenceBoot(name, {8: (ReferenceEvent("EV_IPL", digest * 32, says),)})


def covering(*boots: ReferenceBoot) -> dict[str, object]:
    return AttestationPolicy("b", 1, {}, measured_boot=MeasuredBoot(boots)).to_json()


def test_events_of_a_boot_are_told_one_by_one_with_their_words_first() -> None:
    old, new = boot("one", "ab", "quiet"), boot("two", "cd", "verbose")
    assert changes(covering(old), covering(new)) == (
        Change("measured_boot boots name", ("one",), ("two",), ()),
        Change(
            "measured_boot boots pcrs 8",
            (f"quiet {'ab' * 32} EV_IPL",),
            (f"verbose {'cd' * 32} EV_IPL",),
            (),
        ),
    )
    both = dict(members(covering(old, new)))
    assert both["measured_boot boots two pcrs 8"] == (f"verbose {'cd' * 32} EV_IPL",)
