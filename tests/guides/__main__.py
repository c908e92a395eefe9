"""``python -m tests.guides``: each command with its time; exit code 1 if one fails.

In a copy of what git has of this checkout, with an environment of its own, since some
write into both. What takes hours is typed with smaller numbers, unless ``--full``.
"""

import argparse
import re
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.guides import containers
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
    Part("docs/service-info-plugins.md"),
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
# What is done before commands that begin so, and is in no guide.
BEFORE = {
    "git clone over/": "mkdir ../site && cp -r over ../site && cd ../site"
    " && unset PIP_FIND_LINKS PIP_INDEX_URL PIP_EXTRA_INDEX_URL",
    "docker load": containers.OTHER_SIDE,
}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.guides")
    parser.add_argument(
        "--only", default="", help="those that have this expression in them"
    )
    parser.add_argument("--full", action="store_true", help="with the guides' numbers")
    asked = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # and all that it started
    wanted = [one for one in commands(STORY) if re.search(asked.only, str(one))]
    with tempfile.TemporaryDirectory() as name, shell(Path(name)) as bash:
        if not asked.full:
            bash.instead |= SMALLER
        copy(bash)
        if wanted:
            bash.do("make setup")
        failed = tried(bash, wanted)
        failed += containers.typed_in_containers(bash, asked.only, tried)
        return 1 if failed else 0


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
    bash.do('pip() { .venv/bin/pip "$@"; }')


def tried(bash: Shell, wanted: Sequence[Typed]) -> list[str]:
    """Type all of it; return what failed."""
    failed = []
    for typed in wanted:
        for begins, line in BEFORE.items():
            if typed.text.startswith(begins):
                bash.do(line)
        begun = time.monotonic()
        code, said = bash.type(typed)
        print(f"{time.monotonic() - begun:7.1f} s  {code}  {typed}", flush=True)
        if code:
            failed.append(str(typed))
            print(said)
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
