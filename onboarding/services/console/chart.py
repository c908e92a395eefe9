"""Appraisals over time, as a drawing: one mark each, and how long each one held.

Places are shares of the drawing's width, so that it fits any screen and its marks
keep their shape.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from onboarding.services.api.answers.devices import AppraisalOut

LANES = {"passed": 30, "failed": 70, "not-checked": 110}  # y of each outcome
_SHORTEST = 600  # seconds that a drawing spans at least
_TICKS = 4


@dataclass(frozen=True, slots=True)
class Mark:
    """One appraisal: where it stands, and what it says."""

    outcome: str
    at: int
    x: str
    y: int
    said: str


@dataclass(frozen=True, slots=True)
class Lease:
    """How long a good appraisal held."""

    x: str
    width: str


@dataclass(frozen=True, slots=True)
class Tick:
    """A time below the drawing."""

    x: str
    at: int


@dataclass(frozen=True, slots=True)
class Chart:
    """The whole drawing; ``summary`` is for those who do not see it."""

    marks: tuple[Mark, ...]
    leases: tuple[Lease, ...]
    ticks: tuple[Tick, ...]
    counts: tuple[tuple[str, int], ...]


def chart(appraisals: Sequence[AppraisalOut], now: int) -> Chart:
    """Draw appraisals, newest first, as the API shows them, up to ``now``."""
    first = min((one["at"] for one in appraisals), default=now)
    start = min(first, now - _SHORTEST)
    span = max(now - start, 1)

    def place(at: int) -> float:
        return 1 + 98 * min(max(at - start, 0), span) / span

    marks = tuple(_mark(one, place(one["at"])) for one in reversed(appraisals))
    leases = tuple(
        Lease(_share(place(one["at"])), _share(place(until) - place(one["at"])))
        for one in appraisals
        if (until := one["lease_expires"]) is not None
    )
    ticks = tuple(
        Tick(_share(place(at)), at)
        for at in (start + span * number // _TICKS for number in range(_TICKS + 1))
    )
    said = [one["verdict"] for one in appraisals]
    counts = tuple((name, said.count(name)) for name in LANES)
    return Chart(marks, leases, ticks, counts)


def _mark(one: AppraisalOut, x: float) -> Mark:
    outcome = str(one["verdict"])
    failures = "; ".join(str(each["message"]) for each in one["failures"])
    compared = ", ".join(one["compared"]) or "nothing"
    said = failures or f"compared {compared}"
    return Mark(outcome, one["at"], _share(x), LANES[outcome], f"{outcome}: {said}")


def _share(value: float) -> str:
    return f"{value:.2f}%"
