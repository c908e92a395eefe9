"""The benchmark measures what it says: a small fleet goes the whole way."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.bench.machine import measured
from tests.support.postgres import binaries

ROOT = Path(__file__).parents[2]
PHASES = ("di", "to1", "to2")


def test_a_small_fleet_is_measured_in_every_phase(tmp_path: Path) -> None:
    output = tmp_path / "bench.json"
    asked = [sys.executable, "-m", "tests.bench", "--devices", "6", "--vouchers", "3"]
    asked += ["--concurrency", "2", "--output", str(output)]
    asked += ["--registrations", "20", "--asked", "4", "--to0", "3"]
    done = subprocess.run(  # noqa: S603
        asked, cwd=ROOT, capture_output=True, text=True, timeout=1200, check=False
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(output.read_text())
    stored = [result] if binaries() is None else [result, result["postgresql"]]
    for part in stored:
        _check(part)
    assert result["rendezvous"]["live"] == [20, 20]
    assert result["to0"]["vouchers"] == 3
    assert all(result["beside"]["measured"])
    assert result["beside"]["beside_p99_ms"] >= result["beside"]["beside_p50_ms"]
    assert result["rss_mib"] == result["rss"]["owner"] > 0
    assert all(name.upper() in done.stdout for name in PHASES)


def _check(part: Mapping[str, Any]) -> None:
    for phase in PHASES:
        assert set(part[phase]) == {"per_s", "cpu_ms", "p50_ms", "p99_ms"}
        assert part[phase]["p50_ms"] <= part[phase]["p99_ms"]
        assert part["foreign_cores"][phase] >= 0
    for by in ("library", "api"):
        assert part["import"][by]["per_s"] > 0


def test_time_of_the_service_is_told_from_that_of_others() -> None:
    other = subprocess.Popen(["sleep", "1000"])  # noqa: S607
    try:
        with measured(other.pid) as idle, measured(os.getpid()) as ours:
            _work(0.5)
    finally:
        other.kill()
        other.wait()
    assert idle.service == 0
    assert ours.service >= 0.4  # both clocks tick in hundredths


def _work(seconds: float) -> None:
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass
