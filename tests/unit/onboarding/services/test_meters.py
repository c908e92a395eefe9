"""Counts and durations as Prometheus reads them."""

import re

from onboarding.services.meters import BOUNDS, Durations, Meters, Tally
from onboarding.services.to0_attempts import Attempt


def test_a_tally_counts_by_its_labels_in_order() -> None:
    tally = Tally("things", "Some.", "kind", "result")
    for result in ("b", "a", "b"):
        tally.add("k", result)
    assert list(tally.lines()) == [
        "# HELP vouchgate_things_total Some.",
        "# TYPE vouchgate_things_total counter",
        'vouchgate_things_total{kind="k",result="a"} 1',
        'vouchgate_things_total{kind="k",result="b"} 2',
    ]


def test_a_tally_without_labels_has_no_braces() -> None:
    tally = Tally("things", "Some.")
    tally.add()
    assert list(tally.lines())[2:] == ["vouchgate_things_total 1"]


def test_durations_fall_into_buckets_that_hold_all_smaller_ones() -> None:
    took = Durations("work", "Some.", "kind")
    for seconds in (0.001, BOUNDS[0], 0.3, 99.0):
        took.add(seconds, "k")
    lines = list(took.lines())
    assert lines[1] == "# TYPE vouchgate_work_seconds histogram"
    counts = dict(re.findall(r'le="([^"]+)"\} (\d+)', "\n".join(lines)))
    assert (counts["0.005"], counts["0.25"], counts["0.5"]) == ("2", "2", "3")
    assert (counts["10.0"], counts["+Inf"]) == ("3", "4")
    assert len(counts) == len(BOUNDS) + 1
    assert lines[-2:] == [
        'vouchgate_work_seconds_sum{kind="k"} 99.306000',
        'vouchgate_work_seconds_count{kind="k"} 4',
    ]


def test_every_family_is_there_before_anything_happened() -> None:
    families = [one for one in Meters().lines("owner") if one.startswith("# TYPE")]
    assert len(families) == len(set(families)) == 10
    (build,) = [one for one in Meters().lines("owner") if "build_info{" in one]
    assert re.fullmatch(
        r'vouchgate_build_info\{version="[^"]+",role="owner"\} 1', build
    )


def test_an_attempt_to_register_is_told_in_a_word() -> None:
    last = Attempt("rv")
    results = {
        "registered": last.took(100, 1),
        "failed": last.failed("no answer", 1),
        "left_alone": last.left_alone("circuit open", 9, 1),
        "waited": last.had_to_wait(1),
    }
    assert {word: one.result(last) for word, one in results.items()} == {
        word: word for word in results
    }
    failed = results["failed"]
    assert failed.took(100, 2).result(failed) == "registered"
    assert failed.had_to_wait(2).result(failed) == "waited"
