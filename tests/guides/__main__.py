"""``python -m tests.guides``: each command with its time; exit code 1 if one fails.

In a copy of what git has of this checkout, with an environment of its own, since some
write into both. What takes hours is typed with smaller numbers, unless ``--full``.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.support.doc_commands import ROOT, Typed
from tests.support.doc_shell import Shell, shell
from tests.support.doc_story import (
    AWAY,
    BENCHMARKS,
    DEVELOPERS,
    README,
    Part,
    commands,
)

STORY = (
    Part(README, "Vouchgate", "make demo"),
    Part("docs/index.md", "Vouchgate", "make demo"),
    Part(DEVELOPERS, "Tests", first=1, end=4),
    Part(DEVELOPERS, "Vectors"),
    Part(DEVELOPERS, "Interoperability"),
    Part(DEVELOPERS, "A real boot"),
    Part(DEVELOPERS, "Fuzzing"),
    Part(DEVELOPERS, "The OpenAPI"),
    Part(BENCHMARKS),
    Part(AWAY, "What to bring", end=2),
    Part(AWAY, "What to bring", "git bundle"),
    Part(AWAY, "Install", end=5),
)
SMALLER = {
    "SECONDS=600": "SECONDS=20",
    "BENCH_ARGS=--full": 'BENCH_ARGS="--devices 40"',
    "--vouchers 4000": "--vouchers 100",
    "--devices 100000": "--devices 2000",
}
ELSEWHERE = "git clone over/vouchgate.git"  # begins on the other side


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.guides")
    parser.add_argument("--only", default="", help="commands that have this in them")
    parser.add_argument("--full", action="store_true", help="with the guides' numbers")
    asked = parser.parse_args(arguments)
    wanted = [one for one in commands(STORY) if asked.only in str(one)]
    with tempfile.TemporaryDirectory() as name, shell(Path(name)) as bash:
        if not asked.full:
            bash.instead |= SMALLER
        copy(bash)
        return 1 if tried(bash, wanted) else 0


def copy(bash: Shell) -> None:
    """What git would take of this checkout, as its only commit."""
    listed = f"git -C {ROOT} ls-files -z --cached --others --exclude-standard"
    bash.do(
        f"mkdir checkout && {listed} | tar -C {ROOT} --null"
        " --ignore-failed-read -T - -c | tar -C checkout -x"
    )
    who = "-c user.name=guides -c user.email=guides@localhost"
    bash.do(f"cd checkout && git init -q && git add -A && git {who} commit -qm all")
    bash.do('unset PYTHONPATH && python() { .venv/bin/python "$@"; }')


def tried(bash: Shell, wanted: Sequence[Typed]) -> list[str]:
    """Type all of it; return what failed."""
    if not any(one.text.startswith("make demo") for one in wanted):
        bash.do("make setup")
    failed = []
    for typed in wanted:
        if typed.text.startswith(ELSEWHERE):
            bash.do("mkdir ../site && cp -r over ../site && cd ../site")
            bash.do("unset PIP_FIND_LINKS PIP_INDEX_URL PIP_EXTRA_INDEX_URL")
        begun = time.monotonic()
        code, said = bash.type(typed)
        print(f"{time.monotonic() - begun:7.1f} s  {code}  {typed}", flush=True)
        if code:
            failed.append(str(typed))
            print(said)
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
