"""What a run of the interoperability tests showed, as docs/interop.md.

Tests say by the marker ``interop`` which pair they are about and which of their
parameters make a table's rows and columns; here that becomes Markdown, in the
order of the tests, with nothing in it that differs from run to run.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

T = TypeVar("T")

PASSED, FAILED, SKIPPED = "passed", "**failed**", "skipped"
_WORDS = {"passed": PASSED, "failed": FAILED, "skipped": SKIPPED}


@dataclass(frozen=True)
class Case:
    """One test of one pair; ``column`` is empty outside tables with columns."""

    pair: str
    title: str
    heads: tuple[str, ...]
    row: tuple[str, ...]
    column: str
    outcome: str  # of pytest
    reason: str = ""
    source: str = ""  # the file it is in


@dataclass(frozen=True)
class Peer:
    """Whom we talked to, in which version, and how it was had."""

    name: str
    version: str
    how: str


@dataclass
class Report:
    """Everything one run showed."""

    peers: list[Peer] = field(default_factory=list)
    missing: list[Peer] = field(default_factory=list)
    cases: list[Case] = field(default_factory=list)

    def markdown(self, head: str) -> str:
        """Return the whole document."""
        parts = [head.strip(), "## Peers", *_peers(self.peers)]
        if self.missing:
            parts += ["## What could not be had", *_missing(self.missing)]
        for pair in _unique(case.pair for case in self.cases):
            mine = [case for case in self.cases if case.pair == pair]
            parts += [f"## {pair}", _command(mine)]
            for title in _unique(case.title for case in mine):
                parts += _section(title, [c for c in mine if c.title == title])
        return "\n\n".join(parts) + "\n"


def _peers(peers: Sequence[Peer]) -> Iterable[str]:
    rows = [(peer.name, peer.version, peer.how) for peer in peers]
    yield _table(("peer", "version", "how it is had"), rows)


def _missing(peers: Sequence[Peer]) -> Iterable[str]:
    rows = [(peer.name, peer.version, peer.how) for peer in peers]
    yield _table(("peer", "command", "answer"), rows)


def _command(cases: Sequence[Case]) -> str:
    """How to run these again, and how they went."""
    files = " ".join(_unique(f"tests/interop/{case.source}" for case in cases))
    tally = Counter(_WORDS[case.outcome] for case in cases)
    counts = ", ".join(f"{count} {word}" for word, count in sorted(tally.items()))
    return f"`INTEROP=full .venv/bin/pytest {files}`: {counts}."


def _section(title: str, cases: Sequence[Case]) -> Iterable[str]:
    if title:
        yield f"### {title}"
    columns = _unique(case.column for case in cases)
    heads = (*cases[0].heads, *(columns if columns != [""] else ["result"]))
    found = {(case.row, case.column): _WORDS[case.outcome] for case in cases}
    rows = [
        (*row, *(found.get((row, column), "") for column in columns))
        for row in _unique(case.row for case in cases)
    ]
    yield _table(heads, rows)
    reasons = _unique(case.reason for case in cases if case.reason)
    if reasons:
        yield "\n".join(f"* {_cell(reason)}" for reason in reasons)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [_line(heads), _line(["---"] * len(heads)), *map(_line, rows)]
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(_cell(cell) for cell in cells)} |"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _unique(items: Iterable[T]) -> list[T]:
    return list(dict.fromkeys(items))
