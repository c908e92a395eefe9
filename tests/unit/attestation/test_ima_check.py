"""IMA lists against a quote: total, whatever a device sends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attestation.boot_check import check_boot
from attestation.ima_check import check_ima
from attestation.measured_boot import MeasuredBoot, ReferenceBoot, ReferenceEvent
from tests.support.ima_lists import ENTRIES, extended

LIST = b"".join(one.line() for one in ENTRIES[:3]).decode()
QUOTED = {10: extended(ENTRIES[:3], "sha256").hex()}
MEASURED = MeasuredBoot(
    (ReferenceBoot("one", {8: (ReferenceEvent("EV_IPL", "ab" * 32, "x"),)}),)
)


def test_a_list_is_cut_to_what_the_quote_covers() -> None:
    longer = LIST + ENTRIES[3].line().decode()
    found = check_ima("sha256", longer, QUOTED)
    assert (found.failures, found.entries, found.covered) == ((), 3, LIST)


def test_a_pcr_into_which_nothing_was_measured_shows_nothing() -> None:
    found = check_ima("sha256", LIST, {10: "00" * 32})
    assert [one.type for one in found.failures] == ["ima.nothing"]


def test_a_quote_without_the_pcr_shows_nothing() -> None:
    assert check_ima("sha256", LIST, {}).failures


@pytest.mark.parametrize("cut", range(0, len(LIST), 37))
def test_a_list_that_ends_early_is_not_true(cut: int) -> None:
    found = check_ima("sha256", LIST[:cut], QUOTED)
    assert found.failures
    assert found.entries == 0


@given(st.text(max_size=300) | st.binary(max_size=60).map(lambda b: f"10 {b.hex()} "))
def test_any_text_ends_in_a_failure(text: str) -> None:
    assert check_ima("sha256", text, QUOTED).failures


@given(st.binary(max_size=300))
def test_any_bytes_for_an_event_log_end_in_a_failure(data: bytes) -> None:
    assert check_boot(MEASURED, "sha256", data, {8: "ab" * 32}).failures
