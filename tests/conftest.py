"""Shared fixtures, by subject."""

import signal

from hypothesis import settings

pytest_plugins = [
    "tests.support.plugins",
    "tests.support.databases",
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
