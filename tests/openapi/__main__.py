"""``python -m tests.openapi``: Schemathesis against each service, for a while.

What it finds is printed, with a curl command for each, and makes the exit code 1.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from onboarding.services.settings import Role as Service
from tests.openapi.site import Served, served

HERE = Path(__file__).parent
ENDLESS = "/api/v1/events/stream"


def command(
    served: Served, seconds: int, seed: int | None, phases: str, only: str | None
) -> list[str]:
    """How Schemathesis is called for one service."""
    url = f"{served.service.url}/api/v1/openapi.json"
    asked = [sys.executable, "-m", "schemathesis.cli"]
    asked += ["--config-file", str(HERE / "schemathesis.toml"), "run", url]
    asked += ["--header", f"X-API-Key: {served.key}", "--exclude-path", ENDLESS]
    asked += ["--phases", phases, "--max-time", str(seconds), "--continue-on-failure"]
    asked += ["--generation-database", "none", "--warnings", "off", "--no-color"]
    # A slow machine is no finding.
    asked += ["--request-timeout", "600", "--suppress-health-check", "all"]
    asked += [] if seed is None else ["--seed", str(seed)]
    return asked + ([] if only is None else ["--include-path-regex", only])


def tried(
    role: Service,
    seconds: int,
    seed: int | None,
    phases: str = "examples,coverage,fuzzing,stateful",
    only: str | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run Schemathesis against one service for some seconds."""
    with tempfile.TemporaryDirectory() as name:
        with served(Path(name), role) as one:
            environment = {
                **os.environ,
                "SCHEMATHESIS_HOOKS": "tests.openapi.hooks",
                "PYTHONPATH": str(HERE.parents[1]),
                "OPENAPI_SITE": str(one.facts),
            }
            asked = command(one, seconds, seed, phases, only)
            return subprocess.run(  # noqa: S603 - our own arguments
                asked,
                cwd=name,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=300, help="for each service")
    parser.add_argument("--seed", type=int, help="to repeat a run; else any")
    parser.add_argument("--only", help="a pattern of paths")
    parser.add_argument("--role", type=Service, action="append", help="else all four")
    asked = parser.parse_args()
    worst = 0
    for role in asked.role or list(Service):
        print(f"== {role.value}", flush=True)
        done = tried(role, asked.seconds, asked.seed, only=asked.only)
        print(done.stdout, done.stderr, flush=True)
        worst = max(worst, done.returncode)
    return worst


if __name__ == "__main__":
    raise SystemExit(main())
