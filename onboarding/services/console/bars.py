"""A bar that shows the shares of a whole, in the units of its own drawing."""

from collections.abc import Mapping
from dataclasses import dataclass

from onboarding.services.console.words import tone

WIDTH = 1000
_LEAST = 6  # what is there is seen, however little it is


@dataclass(frozen=True, slots=True)
class Segment:
    """One share: which, how many, and where it is drawn."""

    name: str
    tone: str
    count: int
    x: int
    width: int


def bar(counts: Mapping[str, int]) -> tuple[Segment, ...]:
    """Return the segments of everything that is there, side by side in ``WIDTH``."""
    there = {name: count for name, count in counts.items() if count > 0}
    total = sum(there.values())
    spare = WIDTH - _LEAST * len(there)
    segments: list[Segment] = []
    x = 0
    seen = 0
    for place, (name, count) in enumerate(there.items(), start=1):
        seen += count
        end = _LEAST * place + spare * seen // total  # the last one ends at WIDTH
        segments.append(Segment(name, tone(name), count, x, end - x))
        x = end
    return tuple(segments)
