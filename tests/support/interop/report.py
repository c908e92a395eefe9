"""What a run of the interoperability tests showed, as docs/interop.md.

Tests say by the marker ``interop`` which pair they are about and which of their
parameters make a table's rows and columns; here that becomes Markdown, in the
order of the tests, with nothing in it that differs from run to run. ``earlier.py``
reads it again, so that a run of some tests leaves standing what others showed.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

T = TypeVar("T")

WORDS = {"passed": "passed", "failed": "**failed**", "skipped": "skipped"}
PEERS, MISSING = "Peers", "What no package registry has"


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
    source: str = ""  # the file it is in; of an earlier run, all files of its pair


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

    def added_to(self, earlier: "Report") -> "Report":
        """What an earlier run showed, and in its place what this one did."""
        peers = {peer.name: peer for peer in (*earlier.peers, *self.peers)}
        cases = {
            (case.pair, case.title, case.row, case.column): case
            for case in (*earlier.cases, *self.cases)
        }
        missing = self.missing or earlier.missing
        return Report(list(peers.values()), missing, list(cases.values()))

    def markdown(self, head: str) -> str:
        """Return the whole document."""
        parts = [head.strip(), f"## {PEERS}", *_peers(self.peers)]
        if self.missing:
            parts += [f"## {MISSING}", *_missing(self.missing)]
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
    names = _unique(name for case in cases for name in case.source.split())
    files = " ".join(f"tests/interop/{name}" for name in names)
    tally = Counter(WORDS[case.outcome] for case in cases)
    counts = ", ".join(f"{count} {word}" for word, count in sorted(tally.items()))
    return f"`INTEROP=full .venv/bin/pytest {files}`: {counts}."


def _section(title: str, cases: Sequence[Case]) -> Iterable[str]:
    """A table, and below it the reasons that its cells give by their numbers."""
    if title:
        yield f"### {title}"
    columns = _unique(case.column for case in cases)
    heads = (*cases[0].heads, *(columns if columns != [""] else ["result"]))
    reasons = _unique(case.reason for case in cases if case.reason)
    found = {(case.row, case.column): _result(case, reasons) for case in cases}
    rows = [
        (*row, *(found.get((row, column), "") for column in columns))
        for row in _unique(case.row for case in cases)
    ]
    yield _table(heads, rows)
    if reasons:
        yield "\n".join(f"{n}. {_cell(one)}" for n, one in enumerate(reasons, 1))


def _result(case: Case, reasons: Sequence[str]) -> str:
    word = WORDS[case.outcome]
    return f"{word} ({reasons.index(case.reason) + 1})" if case.reason else word


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [_line(heads), _line(["---"] * len(heads)), *map(_line, rows)]
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(_cell(cell) for cell in cells)} |"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _unique(items: Iterable[T]) -> list[T]:
    return list(dict.fromkeys(items))
