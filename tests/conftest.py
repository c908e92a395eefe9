"""Shared fixtures, by subject."""

from hypothesis import settings

pytest_plugins = [
    "tests.support.plugins",
    "tests.support.databases",
    "tests.support.keylime_stack",
    "tests.support.swtpm",
]

# No test may depend on how fast a machine is, so there are no deadlines. In CI
# hypothesis loads a profile of its own, which also makes the examples repeatable.
if settings.get_current_profile_name() != "ci":
    settings.register_profile("vouchgate", deadline=None, print_blob=True)
    settings.load_profile("vouchgate")
