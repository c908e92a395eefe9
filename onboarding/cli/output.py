"""What every command prints, and how it fails: for people, or as one JSON object.

Rich comes when something is printed for people: a service, or an agent, that runs for
months has 2 MiB less without it.
"""

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

if TYPE_CHECKING:
    from rich.console import Console

OK, FAILED, UNUSABLE, INTERRUPTED = 0, 1, 2, 130
GAP = 2  # columns between two of a table
_TIMES = ("_at", "_until", "_expires")  # ends of names of times
_YEAR_2001 = 1_000_000_000  # what is less is a duration, or a number

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


class CliError(Exception):
    """A command cannot go on: what is wrong, and what to do about it."""

    def __init__(self, message: str, remedy: str = "", code: int = FAILED) -> None:
        super().__init__(message)
        self.remedy = remedy
        self.code = code


def unusable(message: str, remedy: str = "") -> CliError:
    """A file that cannot be read, or arguments that make no sense: exit code 2."""
    return CliError(message, remedy, UNUSABLE)


def console() -> "Console":
    """Standard output, as it is now (tests put another in its place)."""
    return _console(sys.stdout)


def _console(file: TextIO) -> "Console":
    """One that prints what it is given: strangers' words have colons, too."""
    from rich.console import Console

    return Console(file=file, highlight=False, soft_wrap=True, emoji=False)


def plain(text: object) -> str:
    """Return ``text`` for a terminal: what is not printable is written out.

    Names out of vouchers and answers of services are strangers' words, and a terminal
    obeys escape sequences. Rich's own markup is disarmed as well.
    """
    from rich.markup import escape

    return escape(_printable(text))


def _printable(text: object) -> str:
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(text))


def print_json(value: object) -> None:
    sys.stdout.write(json.dumps(value, indent=2, default=str) + "\n")


def print_error(message: str, remedy: str, *, as_json: bool) -> None:
    """Say what failed: on stderr for people, on stdout as JSON for programs."""
    if as_json:
        print_json({"ok": False, "error": message, "remedy": remedy or None})
        return
    errors = _console(sys.stderr)
    for number, line in enumerate(message.splitlines() or [""]):
        errors.print(
            f"{'[bold red]error:[/]' if number == 0 else '      '} {plain(line)}"
        )
    if remedy:
        errors.print(f"  {plain(remedy)}")


def print_facts(facts: Mapping[str, object]) -> None:
    """Print names and values, what is nested indented below its name."""
    out = console()
    for line in _lines(facts, ""):
        out.print(line)


def _lines(value: object, indent: str) -> Iterator[str]:
    match value:
        case Mapping():
            for name, inner in value.items():
                yield from _named(str(name), inner, indent)
        case list() | tuple():
            for number, inner in enumerate(value):
                yield from _named(str(number), inner, indent)


def _named(name: str, value: object, indent: str) -> Iterator[str]:
    label = f"{indent}[dim]{plain(name.replace('_', ' '))}[/]"
    if _nested(value):
        yield label
        yield from _lines(value, indent + "  ")
    elif isinstance(value, list | tuple):
        yield f"{label}  {plain(', '.join(map(str, value)) or 'none')}"
    else:
        yield f"{label}  {plain('none' if value is None else _timed(name, value))}"


def _timed(name: str, value: object) -> object:
    """Seconds since 1970 as people read them, where a name says that it is a time."""
    is_time = name.endswith(_TIMES) and isinstance(value, int) and value > _YEAR_2001
    return when(value) if is_time else value  # type: ignore[arg-type]


def _nested(value: object) -> bool:
    """A map, or a list of more than plain values."""
    if isinstance(value, list | tuple):
        return any(isinstance(one, Mapping | list | tuple) for one in value)
    return isinstance(value, Mapping)


def when(at: int | None) -> str:
    """A time for people; nothing for none."""
    if not at:
        return ""
    return time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(at))


def print_table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows under headings, or that there are none.

    No cell is folded: a fingerprint in two pieces can be copied by nobody. What is too
    long for a terminal is the terminal's to wrap, so the longest column comes last.
    """
    from rich.text import Text

    out = console()
    if not rows:
        out.print("none")
        return
    lines = [[Text(heading, "bold") for heading in headings]]
    lines += [[Text(_printable(cell)) for cell in row] for row in rows]
    widths = [
        max(cell.cell_len for cell in column) for column in zip(*lines, strict=True)
    ]
    for line in lines:
        for cell, width in zip(line[:-1], widths, strict=False):
            cell.pad_right(width - cell.cell_len + GAP)
        out.print(Text.assemble(*line))
