"""The benchmarks of attestation measure what they say, on a small scale."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support.keylime_stack import require_keylime
from tests.support.swtpm import require_swtpm

ROOT = Path(__file__).parents[2]


def ran(directory: Path, name: str, *more: str) -> dict[str, Any]:
    """Run one; return its part of what it wrote beside what others had written."""
    output = directory / "bench.json"
    output.write_text('{"di": {"per_s": 1}}')
    asked = [sys.executable, "-m", f"tests.bench.{name}", *more]
    done = subprocess.run(  # noqa: S603
        [*asked, "--output", str(output)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    whole = json.loads(output.read_text())
    assert whole["di"] == {"per_s": 1}
    part: dict[str, Any] = whole[name]
    return part


def test_appraisals_and_lists_are_measured_by_channel(tmp_path: Path) -> None:
    require_keylime()
    more = ("--appraisals", "10", "--lists", "2", "--seconds", "1", "--scaled", "1")
    found = ran(tmp_path, "evidence", *more)
    for name in ("one_worker", "two_workers", "push", "pull"):
        assert found[name]["per_s"] > 0
        assert found[name]["devices"] == int(found[name]["devices"])
    for name in ("one_worker", "two_workers"):
        assert {"owner_cpu_ms", "verifier_cpu_ms", "load_cpu_ms"} <= found[name].keys()
        assert found[name]["owner_cpu_ms"] > 0
    assert [row["workers"] for row in found["growth"]] == [1, 2]
    for row in found["growth"]:
        assert row["list_of_1_mib"]["per_s"] > 0
        assert row["verifier_alone"]["per_s"] > 0
    for name, rows in (found["scaled"] or {}).items():  # None: it takes root
        for row in rows:
            assert row[name] == 1
            assert row["per_s"] > 0
            assert row["owner_cpu_ms"] > 0
    (listed,) = found["ima"]
    assert (listed["mib"], listed["entries"] > 1000) == (2, True)
    # All of it goes over the line once, then next to nothing does.
    assert listed["first_sent_kib"] > 1800
    assert listed["unchanged_sent_kib"] < listed["new_sent_kib"] < 20


def test_the_way_to_release_and_each_sub_command_are_measured(tmp_path: Path) -> None:
    require_keylime()
    require_swtpm()
    found = ran(tmp_path, "device", "--rounds", "1")
    assert found["to_release"] >= found["to_pass"] >= found["to_pass_tpm"] >= 0
    assert {"di", "onboard", "attest", "run", "status"} <= found["rss_mib"].keys()
    assert all(mib > 5 for mib in found["rss_mib"].values())


def test_a_round_over_the_push_channel_is_measured_quiet_and_with_news(
    tmp_path: Path,
) -> None:
    require_keylime()
    found = ran(tmp_path, "reconcile", "--agents", "12")
    assert (found["agents"], found["news"]) == (12, 11)
    for row in (found, found["with_news"]):
        assert row["seconds"] > 0
        assert row["rss_mib"] > 5
        assert row["verifier_rss_mib"] > 5
