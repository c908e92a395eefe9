"""What is measured of a phase."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.bench.machine import Usage


@dataclass(frozen=True, slots=True)
class Figures:
    """One phase: DI, TO1 or TO2 of a number of devices."""

    devices: int
    usage: Usage  # of the whole phase
    latencies: tuple[float, ...]  # of each device, seconds, sorted

    @classmethod
    def of(cls, usage: Usage, latencies: Sequence[float]) -> "Figures":
        return cls(len(latencies), usage, tuple(sorted(latencies)))

    def percentile(self, share: float) -> float:
        """Return the latency that ``share`` of the devices stayed within."""
        index = min(self.devices - 1, int(share * self.devices))
        return self.latencies[index]

    def to_json(self) -> dict[str, float]:
        """The figures of a phase; ``cpu_ms`` counts the database's processes in."""
        used = self.usage
        return {
            "per_s": round(self.devices / used.seconds, 1),
            "cpu_ms": self.each(used.service + used.database),
            "p50_ms": round(1000 * self.percentile(0.50), 2),
            "p99_ms": round(1000 * self.percentile(0.99), 2),
        }

    def each(self, seconds: float) -> float:
        """Return milliseconds for each device."""
        return round(1000 * seconds / self.devices, 3)
