"""``make fuzz SECONDS=n``: every target in turn, n seconds of fuzzing for all together.

Each target gets at least one of them, in a process of its own that is forked from this
one: what they all import is loaded and instrumented once.

What a target finds is saved under build/fuzz/found, and ends the run with 1 after all
targets have had their time. The corpus in build/fuzz/corpus grows from run to run; what
each target said is in build/fuzz/said.
"""

import argparse
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tests.fuzz.one import fuzz, is_guided, load

if TYPE_CHECKING:
    from tests.fuzz.target import Target

FOLDER = Path("build/fuzz")
_UNITS = re.compile(r"stat::number_of_executed_units: *(\d+)")


def main(arguments: Sequence[str]) -> int:
    """Return 0 when no target found anything."""
    known = load()
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--seconds", type=int, default=300, help="for all targets")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("targets", nargs="*", help=", ".join(known))
    asked = parser.parse_args(arguments)
    names = asked.targets or list(known)
    if unknown := set(names) - set(known):
        parser.error(f"there is no target {', '.join(sorted(unknown))}")
    if not is_guided():
        version = ".".join(map(str, sys.version_info[:2]))
        print(
            f"atheris is not there for this Python ({version}): random changes, not"
            " guided by coverage"
        )
    share = max(1, asked.seconds * asked.jobs // len(names))
    broken = _fuzz_all([known[name] for name in names], asked.jobs, share, asked.folder)
    print(f"{len(names)} targets, {share} s each: {broken} found something")
    return 1 if broken else 0


def _fuzz_all(
    targets: "Sequence[Target]", jobs: int, seconds: int, folder: Path
) -> int:
    """Fuzz so many at a time; return how many found something."""
    (folder / "said").mkdir(parents=True, exist_ok=True)
    running: dict[int, Path] = {}
    broken = 0
    for target in targets:
        if len(running) == jobs:
            broken += _ended(running)
        said = folder / "said" / target.name
        running[_begun(target, seconds, folder, said)] = said
    while running:
        broken += _ended(running)
    return broken


def _begun(target: "Target", seconds: int, folder: Path, said: Path) -> int:
    """Fork a process that fuzzes; return its number.

    It leaves as any other does: on that way libFuzzer writes down what it found.
    """
    sys.stdout.flush()
    child = os.fork()
    if child:
        return child
    with said.open("wb") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    fuzz(target, seconds, folder)
    sys.exit(0)


def _ended(running: dict[int, Path]) -> bool:
    """Wait for one of them and tell how it went; True when it found something."""
    child, status = os.wait()
    said = running.pop(child)
    text = said.read_text(errors="replace")
    units = _UNITS.search(text)
    print(f"{said.name:18} {units[1] if units else '?':>9} inputs", flush=True)
    if status:
        print(text[-4000:], flush=True)
    return status != 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
