"""IMA lists against a quote: total, whatever a device sends."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attestation.boot_check import check_boot
from attestation.ima_check import check_ima, first_difference, follow
from attestation.measured_boot import MeasuredBoot, ReferenceBoot, ReferenceEvent
from hw.errors import EvidenceError, HwError
from hw.ima_replay import ImaState
from tests.support.ima_lists import ENTRIES, Measured, extended

LIST = b"".join(one.line() for one in ENTRIES[:3])
QUOTED = {10: extended(ENTRIES[:3], "sha256").hex()}
BOOT = ImaState.at_boot("sha256")
MEASURED = MeasuredBoot(
    (ReferenceBoot("one", {8: (ReferenceEvent("EV_IPL", "ab" * 32, "x"),)}),)
)


def test_a_list_is_cut_to_what_the_quote_covers() -> None:
    longer = LIST + ENTRIES[3].line()
    found = check_ima(BOOT, longer, QUOTED)
    assert (found.failures, found.entries, found.covered) == ((), 3, LIST)


def test_a_pcr_into_which_nothing_was_measured_shows_nothing() -> None:
    found = check_ima(BOOT, LIST, {10: "00" * 32})
    assert [one.type for one in found.failures] == ["ima.nothing"]


def test_a_quote_without_the_pcr_shows_nothing() -> None:
    assert check_ima(BOOT, LIST, {}).failures


@pytest.mark.parametrize("cut", range(0, len(LIST), 37))
def test_a_list_that_ends_early_is_not_true(cut: int) -> None:
    found = check_ima(BOOT, LIST[:cut], QUOTED)
    assert found.failures
    assert found.entries == 0


@given(
    st.binary(max_size=300)
    | st.binary(max_size=60).map(lambda b: f"10 {b.hex()} \n".encode())
)
def test_any_lines_end_in_a_failure(lines: bytes) -> None:
    assert check_ima(BOOT, lines, QUOTED).failures
    with pytest.raises(HwError):
        follow(BOOT, lines)


@pytest.mark.parametrize("cut", range(4))
def test_a_list_may_come_in_parts(cut: int) -> None:
    parts = [
        b"".join(one.line() for one in some) for some in (ENTRIES[:cut], ENTRIES[cut:3])
    ]
    ahead = follow(BOOT, parts[0]) if cut else BOOT
    found = check_ima(ahead, parts[1], QUOTED)
    assert (found.failures, found.entries, found.covered) == ((), 3, parts[1])
    assert found.state == check_ima(BOOT, LIST, QUOTED).state


def test_a_name_that_keylime_cannot_be_asked_about_is_refused() -> None:
    lines = LIST + Measured(b"/odd\xff").line()
    quoted = {10: extended((*ENTRIES[:3], Measured(b"/odd\xff")), "sha256").hex()}
    (failure,) = check_ima(BOOT, lines, quoted).failures
    assert "IMA entry 3 names a file not in UTF-8" in failure.message
    with pytest.raises(EvidenceError, match="entry 3"):
        follow(BOOT, lines)


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (ENTRIES[:4], "its first 3 entries are those that were quoted before"),
        (ENTRIES[:2], "entry 2 is gone that was quoted before: 10 "),
        ((ENTRIES[0], *ENTRIES[2:4]), "entry 1 was 10 .*bash.*now 10 .*libc"),
    ],
    ids=["more", "fewer", "others"],
)
def test_the_first_line_that_differs_is_named(
    now: tuple[Measured, ...], said: str
) -> None:
    lines = b"".join(one.line() for one in now)
    assert re.search(said, first_difference(LIST, lines))


def test_a_line_is_named_in_bounds_and_without_control_characters() -> None:
    said = first_difference(LIST, b"\x1b[2J" * 5000 + b"\n")
    assert len(said) < 500
    assert said.isprintable()


@given(st.binary(max_size=300))
def test_any_bytes_for_an_event_log_end_in_a_failure(data: bytes) -> None:
    assert check_boot(MEASURED, "sha256", data, {8: "ab" * 32}).failures
