"""Shared fixtures, by subject."""

pytest_plugins = [
    "tests.support.databases",
    "tests.support.keylime_stack",
    "tests.support.swtpm",
]
