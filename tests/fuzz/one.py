"""Run one target: guided by coverage with atheris, else by random changes.

``python -m tests.fuzz.one NAME SECONDS FOLDER``: ends with 0 when nothing was
found; else the input is in ``FOLDER/found``.
"""

import hashlib
import importlib
import importlib.util
import sys
import time
from pathlib import Path
from typing import Any

MAX_INPUT = 4096  # bytes; what is refused for its size alone teaches nothing
PACKAGES = ["onboarding", "attestation", "hw", "ownership_vouchers"]


def main(name: str, seconds: int, folder: Path) -> None:
    """Fuzz the target of that name; ends the process if it finds something."""
    found = folder / "found"
    found.mkdir(parents=True, exist_ok=True)
    if importlib.util.find_spec("atheris") is None:
        _randomly(name, seconds, found)
    else:
        _guided(name, seconds, folder / "corpus" / name, found)


def _guided(name: str, seconds: int, corpus: Path, found: Path) -> None:
    atheris: Any = importlib.import_module("atheris")
    with atheris.instrument_imports(include=PACKAGES):
        targets = importlib.import_module("tests.fuzz.targets")
    target = targets.TARGETS[name]
    targets.write_seeds(target, corpus)
    options = [
        f"-max_total_time={seconds}",
        f"-artifact_prefix={found}/{name}-",
        f"-max_len={MAX_INPUT}",
        "-timeout=5",
        "-rss_limit_mb=2048",
        "-print_final_stats=1",
        "-verbosity=0",
    ]
    atheris.Setup([name, *options, str(corpus)], target.run)
    atheris.Fuzz()  # leaves the process itself


def _randomly(name: str, seconds: int, found: Path) -> None:
    from tests.fuzz.mutate import mutations
    from tests.fuzz.targets import TARGETS, seeds_of

    target, seeds = TARGETS[name], seeds_of(TARGETS[name])
    end, count = time.monotonic() + seconds, 0
    for data in seeds:
        _try(target, data, found)
    for data in mutations(seeds, time.time_ns()):
        if time.monotonic() > end:
            break
        count += 1
        _try(target, data, found)
    print(f"stat::number_of_executed_units: {count + len(seeds)}")


def _try(target: Any, data: bytes, found: Path) -> None:
    try:
        target.run(data)
    except BaseException:
        path = found / f"{target.name}-{hashlib.sha256(data).hexdigest()[:16]}"
        path.write_bytes(data)
        raise


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
