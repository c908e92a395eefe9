"""Quotes in time."""

from dataclasses import replace
from typing import Any

import pytest

from attestation.quote_rules import (
    Advance,
    Counters,
    QuoteCode,
    QuoteRefused,
    check_advance,
)

HOUR = 3_600_000  # ms
LAST = Counters(clock=5 * HOUR, reset_count=3, restart_count=2, firmware=9)
FORWARD: dict[str, tuple[dict[str, Any], Advance]] = {
    "later": ({"clock": 5 * HOUR + 1}, Advance(False, False, False)),
    "the same moment": ({}, Advance(False, False, False)),
    "resumed": ({"clock": 6 * HOUR, "restart_count": 3}, Advance(False, False, True)),
    "rebooted": (
        {"clock": 6 * HOUR, "reset_count": 4, "restart_count": 0},
        Advance(False, True, False),
    ),
    "rebooted by a loss of power": (
        {"clock": 4 * HOUR, "reset_count": 4, "restart_count": 0},
        Advance(False, True, False),
    ),
    "firmware updated": (
        {"clock": 6 * HOUR, "reset_count": 4, "firmware": 10},
        Advance(False, True, False),
    ),
}
BACK: dict[str, tuple[dict[str, Any], QuoteCode]] = {
    "clock": ({"clock": 5 * HOUR - 1}, QuoteCode.CLOCK),
    "clock, hidden by resets": (
        {"clock": 3 * HOUR, "reset_count": 9},
        QuoteCode.CLOCK,
    ),
    "restarts": ({"clock": 6 * HOUR, "restart_count": 1}, QuoteCode.RESTARTS),
    "resets": ({"clock": 6 * HOUR, "reset_count": 2}, QuoteCode.RESETS),
    "firmware": ({"clock": 6 * HOUR, "firmware": 8}, QuoteCode.FIRMWARE),
    "firmware after a reboot": (
        {"reset_count": 4, "firmware": 8},
        QuoteCode.FIRMWARE,
    ),
}


@pytest.mark.parametrize("case", FORWARD)
def test_what_goes_forward_is_taken_and_told_apart(case: str) -> None:
    change, advance = FORWARD[case]
    assert check_advance(LAST, replace(LAST, **change)) == advance


@pytest.mark.parametrize("case", BACK)
def test_what_goes_back_is_refused(case: str) -> None:
    change, code = BACK[case]
    with pytest.raises(QuoteRefused) as refusal:
        check_advance(LAST, replace(LAST, **change))
    assert refusal.value.code is code
    assert refusal.value.remedy


def test_the_first_quote_follows_nothing() -> None:
    assert check_advance(None, LAST) == Advance(True, False, False)


def test_counters_may_run_over_their_width() -> None:
    full = replace(LAST, reset_count=(1 << 32) - 1, firmware=(1 << 64) - 1)
    after = replace(LAST, reset_count=0, firmware=0)
    assert check_advance(full, after).rebooted
