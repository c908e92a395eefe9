"""Tests that run by a switch only; without it a run says what it left out, and how.

``full`` are the long matrices. Of a file that is ``sqlite_first`` what would run a
second time, on PostgreSQL, is left out, but for the tests that are marked ``both``.
"""

import os
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

FULL, BOTH = "INTEROP=full", "DATABASES=both"
_LEFT = pytest.StashKey[dict[str, Counter[str]]]()
_SENT = "left_out"


def on(switch: str) -> bool:
    """Whether the environment says so; a switch is written as in a shell."""
    name, _, value = switch.partition("=")
    return os.environ.get(name) == value


def pytest_configure(config: pytest.Config) -> None:
    for line in (
        f"full: only with {FULL}",
        f"sqlite_first: on PostgreSQL, too, with {BOTH} only",
        "both: of a file that is sqlite_first, on both kinds of database always",
    ):
        config.addinivalue_line("markers", line)
    left: dict[str, Counter[str]] = {FULL: Counter(), BOTH: Counter()}
    config.stash[_LEFT] = left


def switch_of(item: pytest.Item) -> str | None:
    """What would have to be set for a test to run; None if it runs."""
    if item.get_closest_marker("full") and not on(FULL):
        return FULL
    if not item.get_closest_marker("sqlite_first") or item.get_closest_marker("both"):
        return None
    called = getattr(item, "callspec", None)
    kind = called.params.get("databases") if called is not None else None
    return BOTH if kind == "postgresql" and not on(BOTH) else None


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Leave what is long out of `make test`."""
    left = config.stash[_LEFT]
    long: list[pytest.Item] = []
    for one in items:
        switch = switch_of(one)
        if switch is not None:
            long.append(one)
            left[switch][one.location[0]] += 1
    if long:
        config.hook.pytest_deselected(items=long)
        gone = set(long)
        items[:] = [one for one in items if one not in gone]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tell it to the process that shares the tests out, if this is not that one."""
    sent = getattr(session.config, "workeroutput", None)
    if sent is not None:
        left = session.config.stash[_LEFT]
        sent[_SENT] = {switch: dict(files) for switch, files in left.items()}


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Hear it of a process; each has collected the same tests."""
    output: dict[str, Any] = getattr(node, "workeroutput", {})
    sent: Mapping[str, Mapping[str, int]] = output.get(_SENT, {})
    for switch, files in sent.items():
        node.config.stash[_LEFT][switch] |= Counter(files)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    for switch, left in config.stash[_LEFT].items():
        if not left:
            continue
        name = f"{left.total()} tests are left out without {switch}"
        terminalreporter.section(name)
        for file, count in sorted(left.items()):
            terminalreporter.line(f"{count:5} of {file}")
        again = f"{switch} .venv/bin/pytest {' '.join(sorted(left))}"
        terminalreporter.line(f"to run them: {again}")
