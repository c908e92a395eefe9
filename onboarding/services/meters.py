"""What this process has done since its start, counted in memory for ``/metrics``.

Labels are words of ours, never a caller's or a device's, so they are bounded.

Source: Prometheus, "Metric and label naming", "Text-based format".
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from importlib.metadata import PackageNotFoundError, version
from itertools import accumulate
from threading import Lock

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # seconds


class Tally:
    """How often, by labels. Safe in any thread.

    Args:
        name: Without ``vouchgate_`` and ``_total``.
    """

    def __init__(self, name: str, words: str, *labels: str) -> None:
        self._head = family(f"{name}_total", "counter", words)
        self._name = f"vouchgate_{name}_total"
        self._labels = labels
        self._lock = Lock()
        self._counts: Counter[tuple[str, ...]] = Counter()

    def add(self, *values: str) -> None:
        """Count one; a value for each label."""
        with self._lock:
            self._counts[values] += 1

    def lines(self) -> Iterator[str]:
        """The family as Prometheus reads it."""
        with self._lock:
            found = sorted(self._counts.items())
        yield from self._head
        for values, count in found:
            yield f"{self._name}{_braced(self._labels, values)} {count}"


class Durations:
    """How long, by labels, in the buckets of ``BOUNDS``. Safe in any thread."""

    def __init__(self, name: str, words: str, *labels: str) -> None:
        self._head = family(f"{name}_seconds", "histogram", words)
        self._name = f"vouchgate_{name}_seconds"
        self._labels = labels
        self._lock = Lock()
        self._buckets: dict[tuple[str, ...], list[int]] = {}
        self._sums: dict[tuple[str, ...], float] = {}

    def add(self, seconds: float, *values: str) -> None:
        """Count one that took so long."""
        at = bisect_left(BOUNDS, seconds)
        with self._lock:
            found = self._buckets.setdefault(values, [0] * (len(BOUNDS) + 1))
            found[at] += 1
            self._sums[values] = self._sums.get(values, 0.0) + seconds

    def lines(self) -> Iterator[str]:
        """The family as Prometheus reads it."""
        with self._lock:
            found = {values: (*one,) for values, one in sorted(self._buckets.items())}
            sums = dict(self._sums)
        yield from self._head
        for values, counts in found.items():
            below = list(accumulate(counts))
            for bound, count in zip((*map(str, BOUNDS), "+Inf"), below, strict=True):
                named = _braced((*self._labels, "le"), (*values, bound))
                yield f"{self._name}_bucket{named} {count}"
            named = _braced(self._labels, values)
            yield f"{self._name}_sum{named} {sums[values]:.6f}"
            yield f"{self._name}_count{named} {below[-1]}"


@dataclass(frozen=True, slots=True)
class Meters:
    """All that is counted of one service."""

    refusals: Tally = field(
        default_factory=lambda: Tally(
            "refusals", "Refusals by this process since its start.", "surface", "code"
        )
    )
    runs: Tally = field(
        default_factory=lambda: Tally(
            "fdo_runs", "Runs of FDO that came to an end.", "protocol", "result"
        )
    )
    appraisals: Tally = field(
        default_factory=lambda: Tally(
            "appraisals", "Appraisals that were stored.", "channel", "verdict"
        )
    )
    decisions: Tally = field(
        default_factory=lambda: Tally(
            "decisions", "Decisions made at the gate.", "decision"
        )
    )
    releases: Tally = field(
        default_factory=lambda: Tally("releases", "Workloads released.")
    )
    withdrawals: Tally = field(
        default_factory=lambda: Tally("withdrawals", "Workloads taken back.")
    )
    to0: Tally = field(
        default_factory=lambda: Tally(
            "to0_attempts", "Tries to register at a rendezvous server.", "result"
        )
    )
    requests: Durations = field(
        default_factory=lambda: Durations(
            "request_duration",
            "Requests that are no FDO messages.",
            "surface",
            "status",
        )
    )

    keylime: Durations = field(
        default_factory=lambda: Durations(
            "keylime_verdict", "How long Keylime took over evidence.", "result"
        )
    )

    def lines(self, role: str) -> Iterator[str]:
        """Every family, and which version this is."""
        yield from family("build_info", "gauge", "Which version serves which role.")
        named = _braced(("version", "role"), (_version(), role))
        yield f"vouchgate_build_info{named} 1"
        for one in fields(self):
            meter: Tally | Durations = getattr(self, one.name)
            yield from meter.lines()


def family(name: str, kind: str, words: str) -> tuple[str, str]:
    """What stands before a family's samples."""
    return f"# HELP vouchgate_{name} {words}", f"# TYPE vouchgate_{name} {kind}"


def _braced(labels: tuple[str, ...], values: tuple[str, ...]) -> str:
    pairs = ",".join(
        f'{name}="{one}"' for name, one in zip(labels, values, strict=True)
    )
    return f"{{{pairs}}}" if pairs else ""


def _version() -> str:
    try:
        return version("vouchgate")
    except PackageNotFoundError:
        return "source"
