"""Peers built from package registries by name and version, outside the tree.

Programs are kept in the user's cache, by what they were built from and with, so that a
machine builds once.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

SOURCES = Path(__file__).resolve().parents[2] / "interop"
BUILD_SECONDS = int(os.environ.get("INTEROP_BUILD_SECONDS", "600"))


class Unavailable(Exception):
    """A peer cannot be had on this machine; says why."""


def tool(name: str, language: str) -> str:
    """Return the path of a compiler. Raises Unavailable."""
    found = shutil.which(name)
    if found is None:
        raise Unavailable(
            f"there is no {language} toolchain here (no program `{name}`)"
        )
    return found


def kept(
    sources: Path, compiler: str, names: tuple[str, ...], build: Callable[[Path], None]
) -> Path:
    """Return the directory where the programs are, built if one is missing.

    Args:
        compiler: All that matters of it, such as its version.
        build: Puts the programs into the directory it is given, or raises Unavailable.
    """
    home = _cache_home() / sources.name / _digest(sources, compiler)
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another run may be building them
        if not all((home / name).exists() for name in names):
            build(home)
    return home


def run_build(
    command: list[str], directory: Path, environment: Mapping[str, str] | None = None
) -> None:
    """Run a compiler. Raises Unavailable with its last words, or when it takes long."""
    said = " ".join([Path(command[0]).name, *command[1:2]])
    try:
        done = subprocess.run(  # noqa: S603 - the machine's own compilers
            command,
            cwd=directory,
            env={**os.environ, **(environment or {})},
            capture_output=True,
            text=True,
            timeout=BUILD_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"`{said}` took over {BUILD_SECONDS} s") from error
    if done.returncode != 0:
        raise Unavailable(f"`{said}`: {_last_line(done.stderr)}")


def answer(command: list[str]) -> str:
    """What a program prints, such as its version."""
    done = subprocess.run(  # noqa: S603 - the machine's own compilers
        command, capture_output=True, text=True, timeout=60, check=False
    )
    return done.stdout


def _cache_home() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "vouchgate" / "interop"


def _digest(sources: Path, compiler: str) -> str:
    digest = hashlib.sha256(compiler.encode())
    for path in sorted(sources.rglob("*")):
        if path.is_file():
            digest.update(path.relative_to(sources).as_posix().encode() + b"\0")
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _last_line(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return lines[-1].strip() if lines else "it failed and said nothing"
