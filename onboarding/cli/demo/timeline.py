"""What happened, when, and how long it took; printed as it happens, kept for JSON."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.markup import escape
from rich.text import Text

MARK_WIDTH = 11
INDENT = 10 + MARK_WIDTH  # columns before what is told
MIN_WIDTH = 20


class StepFailed(Exception):
    """A step did not happen, or something was let through that should not be."""


@dataclass(slots=True)
class Claim:
    """A step that is under way; whoever runs it says what came of it."""

    detail: str = ""
    refused: bool = False

    def refuse(self, detail: str) -> None:
        """A service refused, in these words."""
        self.refused = True
        self.detail = detail

    def require_refused(self) -> None:
        """Raises StepFailed when nobody refused."""
        if not self.refused:
            raise StepFailed("it was let through")


@dataclass(frozen=True, slots=True)
class Entry:
    """One finished step or refusal; ``case`` is the letter of a refusal."""

    name: str
    ok: bool
    seconds: float
    detail: str
    case: str = ""

    def to_json(self) -> dict[str, object]:
        shown: dict[str, object] = {"case": self.case} if self.case else {}
        return {
            **shown,
            "name": self.name,
            "ok": self.ok,
            "seconds": round(self.seconds, 3),
            "detail": self.detail,
        }


@dataclass(slots=True)
class Timeline:
    """Thread-safe: two devices are often at work at once."""

    console: Console
    steps: list[Entry] = field(default_factory=list)
    refusals: list[Entry] = field(default_factory=list)
    _started: float = field(default_factory=time.monotonic)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def elapsed(self) -> float:
        """Seconds since the demonstration began."""
        return time.monotonic() - self._started

    def act(self, title: str) -> None:
        with self._lock:
            self.console.print(f"\n[bold]{escape(title)}[/]")

    @contextmanager
    def step(self, name: str) -> Iterator[Claim]:
        """Time a step. Raises StepFailed when what is inside raises."""
        began, claim = time.monotonic(), Claim()
        try:
            yield claim
        except Exception as error:
            self._end(Entry(name, False, time.monotonic() - began, _words(error)))
            raise StepFailed(f"{name}: {_words(error)}") from error
        self._end(Entry(name, True, time.monotonic() - began, claim.detail))

    @contextmanager
    def refusal(self, case: str, name: str) -> Iterator[Claim]:
        """Time a refusal. Raises StepFailed unless the claim was refused."""
        began, claim = time.monotonic(), Claim()
        try:
            yield claim
            claim.require_refused()
        except Exception as error:
            seconds = time.monotonic() - began
            self._end(Entry(name, False, seconds, _words(error), case))
            raise StepFailed(f"{name}: {_words(error)}") from error
        self._end(Entry(name, True, time.monotonic() - began, claim.detail, case))

    @contextmanager
    def waiting(self, what: str) -> Iterator[None]:
        """Show, on a terminal, that something is under way and nothing is wrong."""
        with self.console.status(f"[dim]{escape(what)}[/]"):
            yield

    def _end(self, entry: Entry) -> None:
        with self._lock:
            (self.refusals if entry.case else self.steps).append(entry)
            self._print(entry)

    def _print(self, entry: Entry) -> None:
        word, style = _mark(entry)
        head = Text.assemble(
            (f"{self.elapsed:6.1f} s  ", "dim"), (f"{word:<{MARK_WIDTH}}", style)
        )
        for line in self._lines(entry, max(MIN_WIDTH, self.console.width - INDENT)):
            line.rstrip()
            self.console.print(Text.assemble(head, line), soft_wrap=True)
            head = Text(" " * INDENT)

    def _lines(self, entry: Entry, width: int) -> Iterator[Text]:
        """What is told of an entry, no line wider than ``width``."""
        *whole, last = Text(entry.name).wrap(self.console, width, overflow="fold")
        yield from whole
        seconds = Text(f"  {entry.seconds:.2f} s", "dim")  # never in two pieces
        if last.cell_len + seconds.cell_len <= width:
            yield last + seconds
        else:
            yield last
            yield seconds[2:]
        detail = Text(entry.detail, "yellow" if entry.case else "dim")
        if entry.detail:
            yield from detail.wrap(self.console, width, overflow="fold")

    def to_json(self, *, ok: bool) -> dict[str, object]:
        refusals = sorted(self.refusals, key=lambda entry: entry.case)
        return {
            "steps": [entry.to_json() for entry in self.steps],
            "refusals": [entry.to_json() for entry in refusals],
            "seconds": round(self.elapsed, 3),
            "ok": ok,
        }


def _mark(entry: Entry) -> tuple[str, str]:
    match entry.ok, entry.case:
        case True, "":
            return "done", "green"
        case False, "":
            return "FAILED", "bold red"
        case True, case:
            return f"refused {case}", "bold yellow"
        case _, case:
            return f"LET IN {case}", "bold red"


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__
