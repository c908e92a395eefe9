"""Keylime imports ``gpg`` at start, which no package index offers in a working form.

Its only use there is to check PGP signatures on runtime policies. Debian's
``python3-gpg`` serves when it was built for the interpreter we run on; otherwise a
module of ours makes every such check fail, so that PGP-signed policies are refused and
policies signed in other ways (ECDSA, DSSE) still work.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum, unique
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

DEBIAN_DIRECTORIES = (Path("/usr/lib/python3/dist-packages"),)
REFUSING_MODULE = Path(__file__).with_name("no_pgp")
PROBE_SECONDS = 30


@unique
class PgpSupport(StrEnum):
    """Which module Keylime gets, thus what becomes of PGP-signed policies."""

    INSTALLED = "installed"  # the environment has a working one: they are checked
    DEBIAN = "debian"  # python3-gpg of the system: they are checked
    REFUSED = "refused"  # ours: they are refused


@dataclass(frozen=True, slots=True)
class PgpModule:
    """``path`` goes on PYTHONPATH of Keylime's programs; None if nothing need."""

    support: PgpSupport
    path: Path | None


def find_pgp(
    directory: Path, system_directories: Sequence[Path] = DEBIAN_DIRECTORIES
) -> PgpModule:
    """Choose the module; ``directory`` is private and may get one symbolic link.

    Only the package itself is linked: the rest of the system's packages must not
    shadow those of the environment.
    """
    if _works(None):
        return PgpModule(PgpSupport.INSTALLED, None)
    for system_directory in system_directories:
        package = system_directory / "gpg"
        if _built_for_us(package) and _works(_linked(directory, package)):
            return PgpModule(PgpSupport.DEBIAN, directory)
    return PgpModule(PgpSupport.REFUSED, REFUSING_MODULE)


def _built_for_us(package: Path) -> bool:
    suffixes = [s for s in EXTENSION_SUFFIXES if s.startswith(".cpython-")]
    return any((package / f"_gpgme{suffix}").is_file() for suffix in suffixes)


def _linked(directory: Path, package: Path) -> Path:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    link = directory / "gpg"
    link.unlink(missing_ok=True)
    link.symlink_to(package, target_is_directory=True)
    return directory


def _works(path: Path | None) -> bool:
    """Try it in another process: a broken extension module may abort ours."""
    environment = {"PATH": os.environ.get("PATH", os.defpath)}
    if path is not None:
        environment["PYTHONPATH"] = str(path)
    command = [sys.executable, "-c", "import gpg; gpg.Context()"]
    try:
        probe = subprocess.run(  # noqa: S603 - constant program, no user input
            command, env=environment, capture_output=True, timeout=PROBE_SECONDS
        )
    except subprocess.TimeoutExpired:
        return False
    return probe.returncode == 0
