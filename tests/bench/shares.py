"""Fixed shares of a core: so two cores show what more of a part would give.

By the kernel's bandwidth control (cgroups of version 1), which takes root.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path("/sys/fs/cgroup/cpu")
PERIOD = 50_000  # microseconds, of which a party has its share


def can_share() -> bool:
    """Whether this machine lets us give shares."""
    quota = ROOT / "cpu.cfs_period_us"
    return quota.exists() and os.access(quota, os.W_OK)


@contextmanager
def shares(parties: Sequence[Sequence[int]], share: float) -> Iterator[None]:
    """Let the processes of each party have that share of a core together, no more."""
    home = _group_of(parties[0][0])
    made: list[Path] = []
    try:
        for party in parties:
            made.append(home / f"vouchgate-bench-{party[0]}")
            made[-1].mkdir()
            (made[-1] / "cpu.cfs_period_us").write_text(str(PERIOD))
            (made[-1] / "cpu.cfs_quota_us").write_text(str(int(PERIOD * share)))
            for pid in party:
                (made[-1] / "cgroup.procs").write_text(str(pid))
        yield
    finally:
        for group in made:
            for name in (group / "cgroup.procs").read_text().split():
                (home / "cgroup.procs").write_text(name)
            group.rmdir()


def _group_of(pid: int) -> Path:
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if "cpu" in controllers.split(","):
            return ROOT / path.strip("/")
    raise SystemExit("bench: no group of that process can have a share")
