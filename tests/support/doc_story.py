"""Stories: commands of the guides in an order in which a person would type them.

Who runs some has them in a table ``STORY``, and takes each command's text from the
guide, so that what is typed is what is printed. tests/unit/project/test_doc_runs.py
holds that every command is in such a table.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TypeVar

from tests.support.doc_commands import DOCS, ROOT, Typed, typed_in
from tests.support.doc_shell import Shell

README = "README.md"
OPERATORS, MAKERS = "docs/operators.md", "docs/manufacturers.md"
DEVICES, SECURITY = "docs/devices.md", "docs/security.md"
AWAY, MOVING = "docs/air-gapped.md", "docs/from-go-fdo-server.md"
DEVELOPERS, BENCHMARKS = "docs/developers.md", "docs/benchmarks.md"

T = TypeVar("T")
Hook = Callable[[Shell, Typed], None]


@dataclass(frozen=True)
class Part:
    """Commands under one heading of a guide: all, some by number, or some by text."""

    doc: str
    heading: str = ""  # how it begins
    begins: str = ""
    first: int = 0
    end: int | None = None

    def commands(self) -> list[Typed]:
        """Raises LookupError if the guide has none of them."""
        there = [x for x in every(self.doc) if x.heading.startswith(self.heading)]
        found = [
            x for x in there[self.first : self.end] if x.text.startswith(self.begins)
        ]
        if not found:
            raise LookupError(f"no command in {self}")
        return found


@cache
def every(doc: str) -> tuple[Typed, ...]:
    """All commands of a guide."""
    return tuple(typed_in(ROOT / doc))


def all_commands() -> list[Typed]:
    names = (str(path.relative_to(ROOT)) for path in DOCS)
    return [one for name in names for one in every(name)]


def commands(story: Sequence[Part]) -> list[Typed]:
    """The commands of a story, in its order."""
    return [one for part in story for one in part.commands()]


@dataclass(frozen=True)
class Stage:
    """What is there beside the commands; each by how a command begins.

    ``before`` lays down what the reader has already, ``after`` does what happens then
    and is not typed (a device attests), ``ends`` are exit codes other than 0. What goes
    on and on is stopped when it has said its word of ``until``.
    """

    before: Mapping[str, Hook] = field(default_factory=dict)
    after: Mapping[str, Hook] = field(default_factory=dict)
    ends: Mapping[str, int] = field(default_factory=dict)
    until: Mapping[str, str] = field(default_factory=dict)

    def unused(self, story: Sequence[Part]) -> list[str]:
        """What belongs to no command of the story."""
        texts = [one.text for one in commands(story)]
        known = [*self.before, *self.after, *self.ends, *self.until]
        return [x for x in known if not any(t.startswith(x) for t in texts)]


def follow(bash: Shell, story: Sequence[Part], stage: Stage) -> None:
    """Type all of it.

    Raises:
        AssertionError: With every command that ended otherwise than it should.
    """
    assert stage.unused(story) == []
    failed: list[str] = []
    for typed in commands(story):
        try:
            _do(bash, typed, stage)
        except AssertionError as error:
            failed.append(f"{typed}\n{error}")
    assert not failed, "\n".join(failed)


def _do(bash: Shell, typed: Typed, stage: Stage) -> None:
    _hooks(stage.before, bash, typed)
    ends, until = _of(stage.ends, typed), "".join(_of(stage.until, typed))
    code, bash.said = bash.type(typed, ends=bool(ends), until=until)
    assert code == (ends[0] if ends else 0), f"{code}: {bash.said}"
    _hooks(stage.after, bash, typed)


def _of(by_text: Mapping[str, T], typed: Typed) -> list[T]:
    return [one for text, one in by_text.items() if typed.text.startswith(text)]


def _hooks(by_text: Mapping[str, Hook], bash: Shell, typed: Typed) -> None:
    for hook in _of(by_text, typed):
        hook(bash, typed)
