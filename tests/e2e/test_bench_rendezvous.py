"""The benchmark of the rendezvous server measures what it says, on a small scale."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_few_and_many_registrations_are_asked_for(tmp_path: Path) -> None:
    output = tmp_path / "bench.json"
    output.write_text('{"di": {"per_s": 1}}')
    asked = [sys.executable, "-m", "tests.bench.rendezvous", "--few", "12"]
    asked += ["--many", "60", "--asked", "24", "--output", str(output)]
    done = subprocess.run(  # noqa: S603
        asked, cwd=ROOT, capture_output=True, text=True, timeout=1200, check=False
    )
    assert done.returncode == 0, done.stderr
    whole = json.loads(output.read_text())
    assert whole["di"] == {"per_s": 1}  # what others wrote stays
    result = whole["rendezvous"]
    assert result["live"] == [12, 60]
    for part in (result["at_few"], result["at_many"]):
        for name in ("hello", "to1", "look_up"):
            assert 0 < part[f"{name}_p50_ms"] <= part[f"{name}_p99_ms"]
    few, many = result["p99_ms_1k"], result["p99_ms_1m"]
    assert abs(result["ratio"] - many / few) < 0.01
    assert "12          60 registrations" in done.stdout
