"""Counts as Prometheus reads them."""

from prometheus_client import generate_latest

from onboarding.services.meters import BOUNDS, Meters
from onboarding.services.to0_attempts import Attempt


def text_of(meters: Meters) -> list[str]:
    return generate_latest(meters.registry).decode().splitlines()


def test_counts_are_by_labels_in_families_of_ours() -> None:
    meters = Meters()
    for code in ("b", "a", "b"):
        meters.refusals.labels("http", code).inc()
    meters.releases.inc()
    lines = text_of(meters)
    assert 'vouchgate_refusals_total{code="a",surface="http"} 1.0' in lines
    assert 'vouchgate_refusals_total{code="b",surface="http"} 2.0' in lines
    assert "vouchgate_releases_total 1.0" in lines


def test_durations_fall_into_buckets_of_seconds() -> None:
    meters = Meters()
    meters.keylime.labels("valid").observe(0.3)
    buckets = [one for one in text_of(meters) if "keylime_verdict_seconds_b" in one]
    assert len(buckets) == len(BOUNDS) + 1
    assert [one.rsplit(" ", 1)[1] for one in buckets] == ["0.0"] * 6 + ["1.0"] * 6


def test_every_family_is_there_before_anything_happened() -> None:
    types = [one for one in text_of(Meters()) if one.startswith("# TYPE")]
    assert len(types) == len(set(types)) == 10


def test_services_in_one_process_count_apart() -> None:
    one, other = Meters(), Meters()
    one.releases.inc()
    assert "vouchgate_releases_total 0.0" in text_of(other)


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
