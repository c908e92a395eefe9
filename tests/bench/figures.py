"""What is measured of a phase, and how it is read from the system."""

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Figures:
    """One phase: DI, TO1 or TO2 of a number of devices."""

    devices: int
    seconds: float  # wall clock of the phase
    cpu_seconds: float  # of the server process, user and system
    latencies: tuple[float, ...]  # of each device, seconds, sorted

    @classmethod
    def of(
        cls, seconds: float, cpu_seconds: float, latencies: Sequence[float]
    ) -> "Figures":
        return cls(len(latencies), seconds, cpu_seconds, tuple(sorted(latencies)))

    def percentile(self, share: float) -> float:
        """Return the latency that ``share`` of the devices stayed within."""
        index = min(self.devices - 1, int(share * self.devices))
        return self.latencies[index]

    def to_json(self) -> dict[str, float]:
        return {
            "per_s": round(self.devices / self.seconds, 1),
            "cpu_ms": round(1000 * self.cpu_seconds / self.devices, 3),
            "p50_ms": round(1000 * self.percentile(0.50), 2),
            "p99_ms": round(1000 * self.percentile(0.99), 2),
        }


def cpu_seconds(pid: int) -> float:
    """Return the processor time a process has used, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def rss_mib(pid: int) -> float:
    """Return the resident set of a process in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return round(int(line.split()[1]) / 1024, 1)
    return 0.0


def machine() -> str:
    """Describe this machine in one line."""
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return f"{os.cpu_count()} x {model}, Python {platform.python_version()}"
