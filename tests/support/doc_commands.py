"""Commands that the guides tell people to type, and how a shell takes them apart."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = sorted(
    [ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("docs/reference/*.md")]
)
_HERE = re.compile(r"<<'?(\w+)'?")
_ENDS = frozenset({"|", ";", "&&", "||", "(", ")", "&", ">", ">>", "<", "<<", "\n"})
_KEEPS = frozenset({"do", "then", "{", "}", "done", "$"})
_SET = re.compile(r"\w+=.*", re.S)


@dataclass(frozen=True)
class Typed:
    """One command as it stands behind a ``$``, with the text that it reads."""

    doc: str
    line: int
    text: str
    heading: str = ""
    shown: str = ""  # what the guide prints after it

    @property
    def where(self) -> str:
        """File and line, as editors jump to."""
        return f"{self.doc}:{self.line}"

    def __str__(self) -> str:
        return f"{self.where}: {self.text}"


def typed_in(path: Path) -> Iterator[Typed]:
    """Each command of a guide: behind ``$`` or, as root, ``#``; or bare ``make``."""
    name, code, heading = str(path.relative_to(ROOT)), False, ""
    lines = path.read_text().splitlines()
    at = 0
    while at < len(lines):
        line, number = lines[at], at + 1
        at += 1
        if line.startswith("```"):
            code = not code
        elif not code and line.startswith("#"):
            heading = line.lstrip("# ")
        elif code and line.startswith(("$ ", "# ", "make ")):
            text = line.removeprefix("$ ").removeprefix("# ")
            end = _here_ends(lines, at, text)
            whole = "\n".join([text, *lines[at:end]])
            at = next(n for n in range(end, len(lines)) if _next(lines[n]))
            yield Typed(name, number, whole, heading, "\n".join(lines[end:at]))


def _next(line: str) -> bool:
    return line.startswith(("$ ", "# ", "```", "make "))


def _here_ends(lines: list[str], at: int, text: str) -> int:
    """Where the document ends that a command reads from where it stands."""
    found = _HERE.search(text)
    if found is None:
        return at
    return lines.index(found[1], at) + 1


def programs_of(text: str) -> Iterator[list[str]]:
    """Each program that a line calls, with its arguments; quotes are taken off."""
    first = text.split("\n")[0]
    lexer = shlex.shlex(first, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    called: list[str] = []
    for word in [*lexer, ";"]:
        if word in _ENDS or set(word) <= set("();<>|&"):
            yield from _call(called)
            called = []
        else:
            called.append(word)


def _call(words: list[str]) -> Iterator[list[str]]:
    while words and (words[0] in _KEEPS or _SET.fullmatch(words[0])):
        words = words[1:]
    if words:
        yield words


def vouchgate_in(text: str) -> Iterator[list[str]]:
    """The arguments of each ``vouchgate`` that a line calls, by itself or by others."""
    for words in programs_of(text):
        if "vouchgate" in words[:6]:
            yield words[words.index("vouchgate") + 1 :]
