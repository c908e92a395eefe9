"""What fails for want of something is told in a line, and a bug with all of it."""

import logging

import pytest

from onboarding.services.errors import Problem
from onboarding.services.outages import tell
from onboarding.store.errors import StoreUnavailable

log = logging.getLogger(__name__)
KNOWN = {
    "not set up": (
        Problem(409, "rvinfo-missing", "No info was set.", remedy="PUT it"),
        "message 10 failed: No info was set. PUT it",
    ),
    "no database": (
        StoreUnavailable("the database is away"),
        "message 10 failed: the database is away",
    ),
}


@pytest.mark.parametrize("case", KNOWN)
def test_what_is_no_bug_is_told_with_its_reason_and_no_traceback(
    case: str, caplog: pytest.LogCaptureFixture
) -> None:
    error, words = KNOWN[case]
    tell(log, error, "message %d failed", 10)
    (record,) = caplog.records
    assert (record.getMessage(), record.exc_info) == (words, None)


def test_whatever_else_fails_is_told_whole(caplog: pytest.LogCaptureFixture) -> None:
    tell(log, ZeroDivisionError("by nought"), "message %d failed", 10)
    assert "ZeroDivisionError: by nought" in caplog.text
