"""Manual pages in roff, by the macros of man(7)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Term:
    """Something named, what stands behind it, and what it means."""

    name: str
    value: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Page:
    """One page; each section has paragraphs, or terms."""

    title: str  # as it is looked up: vouchgate-fleet-list
    release: str
    sentence: str
    synopsis: tuple[tuple[str, str], ...]  # what is typed, what is put in its place
    sections: tuple[tuple[str, Sequence[str | Term]], ...]


def render(page: Page) -> str:
    """Return the page's source, plain ASCII."""
    return "\n".join(_lines(page)) + "\n"


def text(words: str) -> str:
    """Words as roff prints them, none of them taken for a request."""
    escaped = words.replace("\\", "\\e").replace("-", "\\-").replace("`", "\\(ga")
    plain = "".join(c if c.isascii() else f"\\[u{ord(c):04X}]" for c in escaped)
    flat = " ".join(plain.split())
    return f"\\&{flat}" if flat.startswith((".", "'")) else flat


def _lines(page: Page) -> Iterator[str]:
    name = text(page.title)
    yield f'.TH "{name.upper()}" 1 "" "{text(page.release)}"'
    yield ".SH NAME"
    yield f"{name} \\- {text(page.sentence)}"
    yield ".SH SYNOPSIS"
    for number, (typed, placed) in enumerate(page.synopsis):
        if number:
            yield ".br"
        yield f"\\fB{text(typed)}\\fR {_placed(placed)}".rstrip()
    for heading, parts in page.sections:
        if parts:
            yield f".SH {text(heading)}"
            yield from _section(parts)


def _section(parts: Sequence[str | Term]) -> Iterator[str]:
    for number, part in enumerate(parts):
        if isinstance(part, Term):
            yield ".TP"
            yield f"\\fB{text(part.name)}\\fR {_placed(part.value)}".rstrip()
            yield text(part.meaning) or "\\&"
            continue
        if number:
            yield ".PP"
        yield text(part)


def _placed(words: str) -> str:
    return f"\\fI{text(words)}\\fR" if words else ""
