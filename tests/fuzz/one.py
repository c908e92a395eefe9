"""Fuzz one target: guided by coverage with atheris, else by random changes.

Whoever calls ``fuzz`` is a process of its own: to find something ends it, and guided
fuzzing ends it in any case. Nothing of ours is imported before ``load`` does it:
what was imported without atheris is not instrumented.
"""

import hashlib
import importlib
import importlib.util
import io
import time
from collections.abc import Mapping
from contextlib import redirect_stderr
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.fuzz.target import Target

MAX_INPUT = 4096  # bytes; what is refused for its size alone teaches nothing
PACKAGES = ["onboarding", "attestation", "hw", "ownership_vouchers"]


def is_guided() -> bool:
    """Whether there is atheris for this Python."""
    return importlib.util.find_spec("atheris") is not None


def load() -> "Mapping[str, Target]":
    """All targets by name, instrumented where there is atheris: that takes seconds."""
    if is_guided():
        atheris: Any = importlib.import_module("atheris")
        with (
            redirect_stderr(io.StringIO()),  # it names each module
            atheris.instrument_imports(include=PACKAGES),
        ):
            _targets()
    found: Mapping[str, Target] = _targets().TARGETS
    return found


def fuzz(target: "Target", seconds: int, folder: Path) -> None:
    """Fuzz for so long; what is found is in ``folder/found``, and raised or told."""
    found = folder / "found"
    found.mkdir(parents=True, exist_ok=True)
    if is_guided():
        _guided(target, seconds, folder / "corpus" / target.name, found)
    else:
        _randomly(target, seconds, found)


def _targets() -> Any:
    return importlib.import_module("tests.fuzz.targets")


def _guided(target: "Target", seconds: int, corpus: Path, found: Path) -> None:
    atheris: Any = importlib.import_module("atheris")
    _targets().write_seeds(target, corpus)
    options = [
        f"-max_total_time={seconds}",
        f"-artifact_prefix={found}/{target.name}-",
        f"-max_len={MAX_INPUT}",
        "-timeout=5",
        "-rss_limit_mb=2048",
        "-print_final_stats=1",
        "-verbosity=0",
    ]
    atheris.Setup([target.name, *options, str(corpus)], target.run)
    atheris.Fuzz()  # leaves the process itself


def _randomly(target: "Target", seconds: int, found: Path) -> None:
    from tests.fuzz.mutate import mutations

    seeds = _targets().seeds_of(target)
    end, count = time.monotonic() + seconds, 0
    for data in seeds:
        _try(target, data, found)
    for data in mutations(seeds, time.time_ns()):
        if time.monotonic() > end:
            break
        count += 1
        _try(target, data, found)
    print(f"stat::number_of_executed_units: {count + len(seeds)}")


def _try(target: "Target", data: bytes, found: Path) -> None:
    try:
        target.run(data)
    except BaseException:
        path = found / f"{target.name}-{hashlib.sha256(data).hexdigest()[:16]}"
        path.write_bytes(data)
        raise
