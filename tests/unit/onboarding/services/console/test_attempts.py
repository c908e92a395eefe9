"""Logins from one place are bounded, and so is what is remembered of them."""

import pytest

from onboarding.services.console.attempts import (
    MAX_FAILURES,
    WINDOW,
    Attempts,
    place_of,
)

NOW = 1_800_000_000
HERE, THERE = "192.0.2.1", "192.0.2.2"


def failing(address: str, times: int, now: int = NOW) -> Attempts:
    attempts = Attempts()
    for _ in range(times):
        attempts.failed(address, now)
    return attempts


def test_so_many_failures_make_an_address_wait_and_no_other() -> None:
    attempts = failing(HERE, MAX_FAILURES - 1)
    assert attempts.wait(HERE, NOW) == 0
    attempts.failed(HERE, NOW)
    assert attempts.wait(HERE, NOW) == WINDOW
    assert attempts.wait(THERE, NOW) == 0


def test_the_wait_ends_when_the_first_failure_is_old_enough() -> None:
    attempts = failing(HERE, MAX_FAILURES)
    assert attempts.wait(HERE, NOW + WINDOW - 1) == 1
    assert attempts.wait(HERE, NOW + WINDOW) == 0


def test_what_is_remembered_is_bounded() -> None:
    attempts = failing(HERE, MAX_FAILURES)
    for number in range(2000):
        attempts.failed(f"place {number}", NOW)
    assert attempts.wait(HERE, NOW) == 0
    assert len(attempts._failures) <= 1024


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("unknown", "unknown", True),
    ],
)
def test_a_subscriber_of_ipv6_is_one_place(one: str, other: str, same: bool) -> None:
    assert (place_of(one) == place_of(other)) is same
