"""The console's benchmark measures what it says, in the small."""

from tests.bench.console import PAGES, measure
from tests.support.browser import programs


def test_every_page_the_list_and_a_visit_are_measured() -> None:
    found = measure(devices=20, asked=2)
    assert found["pages"].keys() == set(PAGES)
    for one in (*found["pages"].values(), found["api_list"]):
        assert 0 < one["p50_ms"] <= one["p99_ms"]
    assert all(one["bytes"] > 1000 for one in found["pages"].values())
    if programs() is None:
        assert found["first_visit"] is None
    else:
        assert found["first_visit"]["usable_ms"] > 0
        assert 50_000 < found["first_visit"]["bytes"] < 150 * 1024
