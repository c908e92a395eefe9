"""The benchmark measures what it says: a small fleet goes the whole way."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PHASES = ("di", "to1", "to2")


def test_a_small_fleet_is_measured_in_every_phase(tmp_path: Path) -> None:
    output = tmp_path / "bench.json"
    asked = [sys.executable, "-m", "tests.bench", "--devices", "6"]
    asked += ["--concurrency", "2", "--output", str(output)]
    done = subprocess.run(  # noqa: S603
        asked, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(output.read_text())
    for phase in PHASES:
        assert set(result[phase]) == {"per_s", "cpu_ms", "p50_ms", "p99_ms"}
        assert result[phase]["p50_ms"] <= result[phase]["p99_ms"]
    assert result["rss_mib"] > 0
    assert all(name.upper() in done.stdout for name in PHASES)
