"""docker compose 2: this machine's own, else Debian's, unpacked beside our images."""

import shutil
import subprocess
from pathlib import Path

from tests.compose.images import mirror
from tests.compose.run import Skipped, run

# The first Debian that has it. Its program needs nothing of that release.
SUITE = "trixie"
PACKAGE = "docker-compose"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
OLDEST = (2, 24)  # has !override, which override.yaml needs


def compose_command(kept: Path) -> list[str]:
    """How compose is called here; fetched into ``kept`` where there is none."""
    command = compose_here(kept)
    if command is None:
        _fetch(kept / "compose")
        command = compose_here(kept)
    if command is None:
        raise Skipped("no docker compose 2.24 or newer to be had")
    return command


def compose_here(kept: Path) -> list[str] | None:
    """The same, as far as it is here already."""
    fetched = kept / "compose/usr/libexec/docker/cli-plugins/docker-compose"
    for command in (["docker", "compose"], ["docker-compose"], [str(fetched)]):
        if _recent(command):
            return command
    return None


def _recent(command: list[str]) -> bool:
    if shutil.which(command[0]) is None:
        return False
    asked = [*command, "version", "--short"]
    answer = subprocess.run(asked, capture_output=True, text=True, check=False)  # noqa: S603
    parts = answer.stdout.strip().removeprefix("v").split(".")[:2]
    if answer.returncode or len(parts) < 2 or not all(p.isdigit() for p in parts):
        return False
    return tuple(map(int, parts)) >= OLDEST


def _fetch(directory: Path) -> None:
    """By apt, from this machine's own mirror; nothing of apt's own is changed."""
    shutil.rmtree(directory, ignore_errors=True)
    for name in ("lists/partial", "cache/archives/partial"):
        (directory / name).mkdir(parents=True)
    sources = directory / "sources.list"
    sources.write_text(f"deb [signed-by={KEYRING}] {mirror()} {SUITE} main\n")
    options = {
        "Dir::Etc::SourceList": sources,
        "Dir::Etc::SourceParts": "-",
        "Dir::State::Lists": directory / "lists",
        "Dir::Cache": directory / "cache",
    }
    words = [
        word for pair in options.items() for word in ("-o", "=".join(map(str, pair)))
    ]
    run(["apt-get", "-q", *words, "update"])
    run(["apt-get", "-q", *words, "download", f"{PACKAGE}/{SUITE}"], cwd=directory)
    (package,) = directory.glob(f"{PACKAGE}_*.deb")
    run(["dpkg", "-x", str(package), str(directory)])
