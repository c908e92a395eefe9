"""The peers, built from the module proxy by name and version, outside the tree.

``tests/interop/go`` names them and holds our own small programs over their
library. Programs are kept in the user's cache, so that a machine builds once.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.support.interop.report import Peer

SOURCES = Path(__file__).resolve().parents[2] / "interop" / "go"
LIBRARY = "github.com/fido-device-onboard/go-fdo"
CLIENT = "github.com/fido-device-onboard/go-fdo-client"
PACKAGES = {"go-fdo-client": CLIENT, "services": "./services"}
BUILD_SECONDS = int(os.environ.get("INTEROP_BUILD_SECONDS", "300"))


class Unavailable(Exception):
    """A peer cannot be had on this machine; says why."""


@dataclass(frozen=True)
class GoPeers:
    """Where the programs are, and which versions of their modules are in them."""

    directory: Path
    versions: Mapping[str, str]

    def program(self, name: str) -> Path:
        return self.directory / name

    def peers(self) -> list[Peer]:
        """Name the modules that are peers, for the report."""
        built = f"`go build {CLIENT}`, from a module proxy"
        used = "a library: its services, run by our own `tests/interop/go/services`"
        return [
            Peer("go-fdo-client", self.versions[CLIENT], built),
            Peer("go-fdo", self.versions[LIBRARY], used),
        ]


@cache
def go_peers() -> GoPeers:
    """Return the Go programs, built if need be.

    Raises:
        Unavailable: No Go, or the modules cannot be had in time.
    """
    go = shutil.which("go")
    if go is None:
        raise Unavailable("there is no Go toolchain here (no program `go`)")
    home = _cache_home() / _digest(go)
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another run may be building them
        for name, package in PACKAGES.items():
            if not (home / name).exists():
                _build(go, package, home / name)
    return GoPeers(home, _versions())


def _cache_home() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "vouchgate" / "interop"


def _digest(go: str) -> str:
    digest = hashlib.sha256(_answer([go, "version"]).encode())
    for path in sorted(SOURCES.rglob("*")):
        if path.is_file():
            digest.update(path.relative_to(SOURCES).as_posix().encode() + b"\0")
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _build(go: str, package: str, program: Path) -> None:
    draft = program.with_name(f".{program.name}.new")
    command = [go, "build", "-trimpath", "-o", str(draft), package]
    try:
        done = subprocess.run(  # noqa: S603 - the machine's own Go
            command, cwd=SOURCES, capture_output=True, text=True, timeout=BUILD_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise Unavailable(
            f"`go build {package}` took over {BUILD_SECONDS} s"
        ) from error
    if done.returncode != 0:
        raise Unavailable(f"`go build {package}`: {_last_line(done.stderr)}")
    draft.replace(program)


def _versions() -> dict[str, str]:
    """Read from go.mod: what the build was held to."""
    text = (SOURCES / "go.mod").read_text()
    found = re.findall(r"^(?:require)?\s*(\S+) (v\S+)", text, re.MULTILINE)
    return dict(found)


def _answer(command: list[str]) -> str:
    done = subprocess.run(  # noqa: S603 - the machine's own Go
        command, capture_output=True, text=True, timeout=60, check=False
    )
    return done.stdout


def _last_line(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return lines[-1].strip() if lines else "it failed and said nothing"
