"""Shared fixtures, by subject."""

import signal

import pytest
from coverage import Coverage
from hypothesis import settings

pytest_plugins = [
    "tests.support.cheap_keys",
    "tests.support.plugins",
    "tests.support.databases",
    "tests.support.full_runs",
    "tests.support.keylime_stack",
    "tests.support.softhsm",
    "tests.support.swtpm",
]

# A run in the background of a script is born deaf to Ctrl-C, and so would be all the
# programs that tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# No test may depend on how fast a machine is, so there are no deadlines. In CI
# hypothesis loads a profile of its own, which also makes the examples repeatable.
if settings.get_current_profile_name() != "ci":
    settings.register_profile("vouchgate", deadline=None, print_blob=True)
    settings.load_profile("vouchgate")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the coverage of a process that shares the tests before it is asked to end.

    It would be killed if it took longer than some seconds to end by itself.
    """
    measuring = Coverage.current()
    if hasattr(session.config, "workerinput") and measuring is not None:
        measuring.stop()
        measuring.save()
