"""The Rust peer: ``tests/interop/rust`` names it, and holds our program over it."""

import re
import shutil
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.support.interop.report import Peer
from tests.support.interop.toolchain import SOURCES, answer, kept, run_build, tool

RUST = SOURCES / "rust"
PROGRAM = "interop"
LIBRARIES = ("astarte-device-fdo", "astarte-fdo-protocol")


@dataclass(frozen=True)
class RustPeer:
    """Where our program over Astarte's library is."""

    program: Path
    compiler: str

    def peers(self) -> list[Peer]:
        """Name the crates that are peers, for the report."""
        manifest = (RUST / "Cargo.toml").read_text()
        used = f"a crate: under our own `tests/interop/rust`, with {self.compiler}"
        return [Peer(name, _version(manifest, name), used) for name in LIBRARIES]


def _version(manifest: str, name: str) -> str:
    found = re.search(rf'^{name} = .*"=([0-9.]+)"', manifest, re.MULTILINE)
    assert found is not None, name
    return found[1]


@cache
def rust_peer() -> RustPeer:
    """Return the Rust program, built if need be.

    Raises:
        Unavailable: No Rust, or the crates cannot be had in time.
    """
    cargo = tool("cargo", "Rust")

    def build(home: Path) -> None:
        copy = home / "source"  # what cargo writes beside the sources stays out of ours
        shutil.copytree(RUST, copy, dirs_exist_ok=True)
        run_build([cargo, "build", "--quiet"], copy)
        (copy / "target" / "debug" / PROGRAM).replace(home / PROGRAM)
        shutil.rmtree(copy)

    compiler = answer([cargo, "--version"])
    home = kept(RUST, compiler, (PROGRAM,), build)
    return RustPeer(home / PROGRAM, compiler.strip())
