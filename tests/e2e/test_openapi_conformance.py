"""What the API does is what its document says: a slice of `make schemathesis`."""

import pytest

from onboarding.services.settings import Role as Service
from tests.openapi.__main__ import tried
from tests.support.api_bench import Api

pytest_plugins = ["tests.support.service_fixtures"]

SECONDS = 60


def test_schemathesis_finds_nothing() -> None:
    """Every route of every role is tried; the clock ends the run, not the test."""
    done = tried(Service.ALL, SECONDS, seed=1, phases="examples,fuzzing")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No issues found" in done.stdout, done.stdout


@pytest.mark.parametrize("word", ["DELETE", "PATCH", "PUT"])
def test_a_refused_method_is_told_all_that_are_not(api: Api, word: str) -> None:
    """The routes of one path are several; HTTP has one list of methods for it."""
    known = ("/policies", "GET, HEAD, POST"), ("/keys/match", "POST")
    for path, methods in (*known, ("/vouchers/extend", "POST")):
        reply = api.call(word, path)
        assert reply.status_code == 405
        assert reply.headers["allow"] == methods
