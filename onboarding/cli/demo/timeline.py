"""What happened, when, and how long it took; printed as it happens, kept for JSON."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding


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

    def _end(self, entry: Entry) -> None:
        with self._lock:
            (self.refusals if entry.case else self.steps).append(entry)
            self._print(entry)

    def _print(self, entry: Entry) -> None:
        mark = "[green]ok[/]" if entry.ok else "[bold red]failed[/]"
        if entry.case and entry.ok:
            mark = f"[yellow]refused ({entry.case})[/]"
        elif entry.case:
            mark = f"[bold red]NOT refused ({entry.case})[/]"
        head = f"[dim]{self.elapsed:5.1f} s[/]  {mark} {escape(entry.name)}"
        self.console.print(f"{head} [dim]{entry.seconds:.2f} s[/]")
        if entry.detail:
            style = "yellow" if entry.case else "dim"
            lines = f"[{style}]{escape(entry.detail)}[/]"
            self.console.print(Padding(lines, (0, 0, 0, 9)))

    def to_json(self, *, ok: bool) -> dict[str, object]:
        refusals = sorted(self.refusals, key=lambda entry: entry.case)
        return {
            "steps": [entry.to_json() for entry in self.steps],
            "refusals": [entry.to_json() for entry in refusals],
            "seconds": round(self.elapsed, 3),
            "ok": ok,
        }


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__
