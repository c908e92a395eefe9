"""The bar of states: every share is seen, and together they are the whole."""

from hypothesis import given
from hypothesis import strategies as st

from onboarding.services.console.bars import WIDTH, bar
from onboarding.store.state import DeviceState

COUNTS = st.dictionaries(
    st.sampled_from([one.value for one in DeviceState]), st.integers(0, 10**9)
)


@given(COUNTS)
def test_shares_fill_the_bar_side_by_side(counts: dict[str, int]) -> None:
    segments = bar(counts)
    assert {one.name: one.count for one in segments} == {
        name: count for name, count in counts.items() if count
    }
    x = 0
    for one in segments:
        assert one.x == x
        assert one.width > 2
        x += one.width
    assert x == (WIDTH if segments else 0)
