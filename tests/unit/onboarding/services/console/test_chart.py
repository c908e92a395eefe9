"""Appraisals as a drawing: in order, inside it, and said in words, too."""

from typing import cast

from hypothesis import given
from hypothesis import strategies as st

from onboarding.services.api.answers.devices import AppraisalOut
from onboarding.services.console.chart import LANES, chart

NOW = 1_800_000_000


def appraisal(at: int, verdict: str, lease: int | None) -> AppraisalOut:
    failed = verdict == "failed"
    shown = {
        "at": at,
        "verdict": verdict,
        "lease_expires": None if lease is None else at + lease,
        "compared": ["pcr:sha256:7"],
        "failures": [{"message": "PCR 7 differs"}] if failed else [],
    }
    return cast(AppraisalOut, shown)


APPRAISALS = st.lists(
    st.builds(
        appraisal,
        st.integers(0, NOW + 100),
        st.sampled_from(sorted(LANES)),
        st.none() | st.integers(1, 10**7),
    ),
    max_size=20,
).map(lambda found: sorted(found, key=lambda one: -one["at"]))


def share(text: str) -> float:
    assert text.endswith("%")
    return float(text[:-1])


@given(APPRAISALS)
def test_everything_is_drawn_inside_and_in_the_order_of_time(
    appraisals: list[AppraisalOut],
) -> None:
    drawn = chart(appraisals, NOW)
    places = [share(one.x) for one in drawn.marks]
    assert places == sorted(places)
    assert all(0 <= one <= 100 for one in places)
    for lease in drawn.leases:
        assert share(lease.width) >= 0
        assert share(lease.x) + share(lease.width) <= 99.5
    assert sum(count for _, count in drawn.counts) == len(appraisals)
    assert drawn.ticks[-1].at == NOW


def test_a_mark_says_what_was_compared_or_what_failed() -> None:
    good, bad = appraisal(NOW, "passed", 60), appraisal(NOW - 9, "failed", None)
    said = [one.said for one in chart([good, bad], NOW).marks]
    assert said == ["failed: PCR 7 differs", "passed: compared pcr:sha256:7"]


def test_a_lease_is_as_long_as_it_held_and_ends_now_if_it_still_does() -> None:
    drawn = chart([appraisal(NOW - 1000, "passed", 500)], NOW)
    assert (drawn.leases[0].x, drawn.leases[0].width) == ("1.00%", "49.00%")
    drawn = chart([appraisal(NOW - 1000, "passed", 5000)], NOW)
    assert (drawn.leases[0].x, drawn.leases[0].width) == ("1.00%", "98.00%")
