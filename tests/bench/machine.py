"""Who used how much of this machine: the service, its database, and strangers."""

import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

_ROUNDS, _CHECKS = 20, 100
_TICKS = os.sysconf("SC_CLK_TCK")
DISTURBED = 0.2  # cores used by others, from which on figures mean little


@dataclass(slots=True)
class Usage:
    """Seconds of a phase: by the clock, and of processors.

    ``foreign`` is what none of our processes used: other programs', the kernel's own
    threads', and what the host kept from this guest.
    """

    seconds: float = 0.0
    service: float = 0.0
    database: float = 0.0
    foreign: float = 0.0

    @property
    def foreign_cores(self) -> float:
        return round(self.foreign / self.seconds, 2) if self.seconds else 0.0


@contextmanager
def measured(service: int, database: int | None = None) -> Iterator[Usage]:
    """Measure a block; ``service`` and ``database`` are processes with children."""
    usage = Usage()
    begun, busy, ours = time.perf_counter(), _busy(), tree_seconds(os.getpid())
    served = tree_seconds(service)
    stored = 0.0 if database is None else tree_seconds(database)
    yield usage
    usage.seconds = time.perf_counter() - begun
    usage.service = tree_seconds(service) - served
    usage.database = 0.0 if database is None else tree_seconds(database) - stored
    ours = tree_seconds(os.getpid()) - ours
    usage.foreign = max(0.0, _busy() - busy - ours)


def tree_seconds(root: int) -> float:
    """Return the processor time of a process and all it ever waited for or has."""
    total = sum(sum(map(int, one[11:15])) for one in _tree(root).values())
    return total / _TICKS


def tree(root: int) -> list[int]:
    """A process and all below it."""
    return sorted(_tree(root))


def forget_peaks(*roots: int) -> None:
    """Have ``tree_peak_mib`` look at what comes from now on."""
    for root in roots:
        for pid in _tree(root):
            Path(f"/proc/{pid}/clear_refs").write_text("5")


def tree_peak_mib(root: int) -> float:
    """Return the largest resident set that any process of a tree had, in MiB."""
    return max(_status_mib(pid, "VmHWM:") for pid in _tree(root))


def _tree(root: int) -> dict[int, list[str]]:
    """A process and all below it, with the fields of their stat."""
    processes = dict(_processes())
    found, waiting = {}, [root]
    while waiting:
        pid = waiting.pop()
        if pid in processes:
            found[pid] = processes[pid]
            waiting += [one for one, of in processes.items() if int(of[1]) == pid]
    return found


def _processes() -> Iterator[tuple[int, list[str]]]:
    """Each process's number, and the fields of its stat from the state on."""
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        try:
            text = Path(entry.path, "stat").read_text()
        except OSError:
            continue  # it has just ended
        yield int(entry.name), text.rpartition(")")[2].split()


def _busy() -> float:
    """Return what all processors did since the start, idle and waiting left out."""
    first = Path("/proc/stat").read_text().partition("\n")[0].split()
    user, nice, system, _idle, _wait, irq, soft, stolen = map(int, first[1:9])
    return (user + nice + system + irq + soft + stolen) / _TICKS


def rss_mib(pid: int) -> float:
    """Return the resident set of a process in MiB."""
    return _status_mib(pid, "VmRSS:")


def _status_mib(pid: int, name: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name):
            return round(int(line.split()[1]) / 1024, 1)
    return 0.0


def verify_us() -> float:
    """Return what one ECDSA check (P-256) costs here now, in microseconds of CPU.

    The targets were set where it cost 66: what most of a figure is made of grows and
    shrinks with it, and a neighbour who shares our caches shows in it, too.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    rule = ec.ECDSA(hashes.SHA256())
    signature, public = key.sign(b"bench", rule), key.public_key()
    best = float("inf")
    for _ in range(_ROUNDS):
        begun = time.thread_time()
        for _ in range(_CHECKS):
            public.verify(signature, b"bench", rule)
        best = min(best, time.thread_time() - begun)
    return round(1e6 * best / _CHECKS, 1)


def machine() -> str:
    """Describe this machine in one line."""
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return f"{os.cpu_count()} x {model}, Python {platform.python_version()}"
