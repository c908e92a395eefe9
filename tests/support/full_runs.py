"""Tests marked ``full`` run with ``INTEROP=full``; others say what they left out."""

import os
from collections import Counter
from typing import Any

import pytest

FULL = os.environ.get("INTEROP") == "full"
_LEFT = pytest.StashKey[Counter[str]]()
_SENT = "left_out"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "full: only with INTEROP=full")
    config.stash[_LEFT] = Counter[str]()


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Leave the long matrices out of `make test`."""
    long = [one for one in items if not FULL and one.get_closest_marker("full")]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [one for one in items if one not in long]
        left = config.stash[_LEFT]
        left.update(one.location[0] for one in long)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tell it to the process that shares the tests out, if this is not that one."""
    sent = getattr(session.config, "workeroutput", None)
    left = session.config.stash[_LEFT]
    if sent is not None:
        sent[_SENT] = dict(left)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Hear it of a process; each has collected the same tests."""
    sent = getattr(node, "workeroutput", {}).get(_SENT, {})
    node.config.stash[_LEFT] |= Counter(sent)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    left = config.stash[_LEFT]
    if left:
        terminalreporter.section(f"{left.total()} tests are of full runs, and left out")
        for file, count in sorted(left.items()):
            terminalreporter.line(f"{count:5} of {file}")
        again = f"INTEROP=full .venv/bin/pytest {' '.join(sorted(left))}"
        terminalreporter.line(f"to run them: {again}")
