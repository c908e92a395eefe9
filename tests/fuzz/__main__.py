"""``make fuzz SECONDS=n``: every target in turn, n seconds of fuzzing for all together.

Each target gets at least one of them, and takes some seconds besides to start in a
process of its own and to try its corpus: a hundred targets take minutes whatever n is.

What it finds is saved under build/fuzz/found, and ends the run with 1 after all
targets have had their time. The corpus in build/fuzz/corpus grows from run to run.
"""

import argparse
import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from tests.fuzz.targets import TARGETS

FOLDER = Path("build/fuzz")
_UNITS = re.compile(r"stat::number_of_executed_units: *(\d+)")


def main(arguments: Sequence[str]) -> int:
    """Return 0 when no target found anything."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--seconds", type=int, default=300, help="for all targets")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("targets", nargs="*", help=", ".join(TARGETS))
    asked = parser.parse_args(arguments)
    names = asked.targets or list(TARGETS)
    if importlib.util.find_spec("atheris") is None:
        version = ".".join(map(str, sys.version_info[:2]))
        print(
            f"atheris is not there for this Python ({version}): random changes, not"
            " guided by coverage"
        )
    share = max(1, asked.seconds * asked.jobs // len(names))
    with ThreadPoolExecutor(asked.jobs) as pool:
        broken = sum(pool.map(partial(_fuzz, share, asked.folder), names))
    print(f"{len(names)} targets, {share} s each: {broken} found something")
    return 1 if broken else 0


def _fuzz(seconds: int, folder: Path, name: str) -> bool:
    """Run one target in a process of its own; True when it found something."""
    command = [sys.executable, "-m", "tests.fuzz.one", name, str(seconds), str(folder)]
    done = subprocess.run(  # noqa: S603 - our own module
        command, capture_output=True, text=True, check=False
    )
    said = done.stdout + done.stderr
    units = _UNITS.search(said)
    print(f"{name:18} {units[1] if units else '?':>9} inputs", flush=True)
    if done.returncode:
        print(said[-4000:], flush=True)
    return done.returncode != 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
