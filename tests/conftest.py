"""Shared fixtures, by subject."""

pytest_plugins = ["tests.support.swtpm", "tests.support.databases"]
