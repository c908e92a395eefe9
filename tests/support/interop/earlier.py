"""Read a report again: what ``Report.markdown`` wrote, as the cases it was made of."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tests.support.interop.report import MISSING, PEERS, WORDS, Case, Peer, Report

_OUTCOMES = {word: outcome for outcome, word in WORDS.items()}
_WORD = "|".join(re.escape(word) for word in _OUTCOMES)
_RESULT = re.compile(rf"(?:({_WORD})(?: \((\d+)\))?)?")
_BAR = re.compile(r"(?<!\\)\|")

Row = tuple[str, ...]


@dataclass
class _Place:
    """Where in the document we are; a table without a heading has no title."""

    pair: str = ""
    title: str = ""
    source: str = ""


def read_report(text: str) -> Report:
    """Return the report that a document was written from.

    Raises:
        ValueError: It is none: a table has no column of results.
    """
    found, at = Report(), _Place()
    blocks = text.strip().split("\n\n")
    for block, after in zip(blocks, [*blocks[1:], ""], strict=True):
        if block.startswith("## "):
            at = _Place(block[3:])
        elif block.startswith("### "):
            at.title = block[4:]
        elif block.startswith("`INTEROP="):
            at.source = " ".join(re.findall(r"tests/interop/(\S+\.py)", block))
        elif block.startswith("| "):
            _take(found, at, _rows(block), after)
            at.title = ""
    return found


def _take(found: Report, at: _Place, table: Sequence[Row], after: str) -> None:
    if at.pair in (PEERS, MISSING):
        peers = found.peers if at.pair == PEERS else found.missing
        peers.extend(Peer(*row) for row in table[1:])
    else:
        found.cases.extend(_cases(at, table, _reasons(after)))


def _rows(block: str) -> list[Row]:
    """The cells of a table, without the line below its head."""
    lines = block.splitlines()
    return [_cells(line) for line in (lines[0], *lines[2:])]


def _cells(line: str) -> Row:
    cells = _BAR.split(line)[1:-1]
    return tuple(cell.strip().replace("\\|", "|") for cell in cells)


def _reasons(block: str) -> list[str]:
    found = re.findall(r"^\d+\. (.*)$", block, re.MULTILINE)
    return [one.replace("\\|", "|") for one in found]


def _cases(at: _Place, table: Sequence[Row], reasons: Sequence[str]) -> Iterable[Case]:
    heads, *rows = table
    first = _first_result(heads, rows)
    for row in rows:
        for column, cell in zip(heads[first:], row[first:], strict=True):
            result = _RESULT.fullmatch(cell)
            if result is not None and result[1]:
                yield Case(
                    at.pair,
                    at.title,
                    heads[:first],
                    row[:first],
                    "" if column == "result" else column,
                    _OUTCOMES[result[1]],
                    reasons[int(result[2]) - 1] if result[2] else "",
                    at.source,
                )


def _first_result(heads: Row, rows: Sequence[Row]) -> int:
    """Where the columns of results begin: in them stands nothing else."""
    for number in range(len(heads)):
        if all(_RESULT.fullmatch(row[number]) for row in rows):
            return number
    raise ValueError(f"no column of results under {heads}")
