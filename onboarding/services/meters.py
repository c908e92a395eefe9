"""What this process has done since its start, counted in memory for ``/metrics``.

Labels are words of ours, never a caller's or a device's, so they are bounded.

Source: Prometheus, "Metric and label naming".
"""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    disable_created_metrics,
)

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # seconds

# When each was first counted would be as many samples again.
disable_created_metrics()  # type: ignore[no-untyped-call]  # has no types


class Meters:
    """All that is counted of one service. Safe in any thread."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.refusals = self._counter(
            "refusals", "Refusals by this process since its start.", "surface", "code"
        )
        self.runs = self._counter(
            "fdo_runs", "Runs of FDO that came to an end.", "protocol", "result"
        )
        self.appraisals = self._counter(
            "appraisals", "Appraisals that were stored.", "channel", "verdict"
        )
        self.decisions = self._counter(
            "decisions", "Decisions made at the gate.", "decision"
        )
        self.releases = self._counter("releases", "Workloads released.")
        self.withdrawals = self._counter("withdrawals", "Workloads taken back.")
        self.to0 = self._counter(
            "to0_attempts", "Tries to register at a rendezvous server.", "result"
        )
        self.requests = self._durations(
            "request_duration",
            "Requests that are no FDO messages.",
            "surface",
            "status",
        )
        self.keylime = self._durations(
            "keylime_verdict", "How long Keylime took over evidence.", "result"
        )
        self.keylime_calls = self._durations(
            "keylime_call", "Until Keylime began to answer a call.", "part", "status"
        )

    def _counter(self, name: str, words: str, *labels: str) -> Counter:
        return Counter(f"vouchgate_{name}", words, labels, registry=self.registry)

    def _durations(self, name: str, words: str, *labels: str) -> Histogram:
        named = f"vouchgate_{name}_seconds"
        return Histogram(named, words, labels, registry=self.registry, buckets=BOUNDS)
