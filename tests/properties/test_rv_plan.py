"""Whatever a device was told of rendezvous, it goes on for ever and never in a rush."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from onboarding.protocol.rv_medium import Interface
from onboarding.protocol.rv_plan import JITTER, Note, Skip, Try, Wait, jittered, plan
from ownership_vouchers import cbor
from ownership_vouchers.rendezvous import RendezvousInfo, RvVariable

VALUES = (
    st.integers(0, 2**32)
    | st.binary(max_size=20)
    | st.booleans()
    | st.sampled_from(["rv.example", "", "a b", "\u00e9"])
    | st.lists(st.integers(-50, 10) | st.binary(min_size=32, max_size=32), max_size=3)
)
INSTRUCTIONS = st.tuples(
    st.sampled_from([*map(int, RvVariable), 16, 255]),
    VALUES.map(cbor.encode) | st.binary(max_size=8) | st.none(),
)
DIRECTIVES = st.lists(INSTRUCTIONS, max_size=8, unique_by=lambda one: one[0])
INFOS = st.lists(DIRECTIVES, max_size=6).map(
    lambda found: RendezvousInfo.from_cbor(cbor.encode(found))
)
INTERFACES = st.none() | st.lists(
    st.builds(Interface, st.text(max_size=15), st.booleans()), max_size=4
)
STEADY = settings(deadline=None, max_examples=200)


@STEADY
@given(st.lists(INFOS, max_size=3), st.integers(0, 10**9), INTERFACES)
def test_every_round_ends_with_a_wait_and_waits_at_all(
    infos: list[RendezvousInfo], number: int, here: list[Interface] | None
) -> None:
    steps = plan(infos, number, here)
    waits = [step.seconds for step in steps if isinstance(step, Wait)]
    assert isinstance(steps[-1], Wait)
    assert sum(waits) >= 1
    assert all(wait >= 0 for wait in waits)


@STEADY
@given(INFOS, INTERFACES)
def test_each_directive_is_tried_or_skipped_once_or_only_waits(
    info: RendezvousInfo, here: list[Interface] | None
) -> None:
    steps = plan([info], interfaces=here)
    told = [
        step.number if isinstance(step, Skip) else step.candidates.number
        for step in steps
        if not isinstance(step, Wait | Note)
    ]
    assert told == sorted(set(told))
    assert set(told) <= set(range(1, len(info.directives) + 1))
    assert all(step.candidates.urls for step in steps if isinstance(step, Try))
    for note, tried in pairwise(steps):
        if isinstance(note, Note):
            assert isinstance(tried, Try)
            assert tried.candidates.number == note.number


@STEADY
@given(INFOS, INFOS)
def test_what_one_credential_says_changes_nothing_of_what_another_tries(
    first: RendezvousInfo, second: RendezvousInfo
) -> None:
    alone = [one for one in plan([first]) if isinstance(one, Try)]
    both = [one for one in plan([first, second]) if isinstance(one, Try)]
    assert both[: len(alone)] == alone
    assert all(one.credential == 1 for one in both[len(alone) :])


@given(st.floats(0, 2**32), st.floats(0, 1))
def test_jitter_keeps_within_a_quarter(seconds: float, fraction: float) -> None:
    pause = jittered(seconds, fraction)
    assert seconds * (1 - JITTER) <= pause <= seconds * (1 + JITTER) * (1 + 1e-12)
