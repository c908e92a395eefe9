"""The Go peers: ``tests/interop/go`` names them, and holds our programs over them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.support.interop.report import Peer
from tests.support.interop.toolchain import SOURCES, answer, kept, run_build, tool

GO = SOURCES / "go"
LIBRARY = "github.com/fido-device-onboard/go-fdo"
CLIENT = "github.com/fido-device-onboard/go-fdo-client"
TOOLS = "github.com/google/go-tpm-tools"
SIMULATED = "device-simulator"  # our device with a TPM in its own process
PACKAGES = {"go-fdo-client": CLIENT, "services": "./services", "device": "./device"}


@dataclass(frozen=True)
class GoPeers:
    """Where the programs are, and which versions of their modules are in them."""

    directory: Path
    versions: Mapping[str, str]
    compiler: str

    def program(self, name: str) -> Path:
        return self.directory / name

    def peers(self) -> list[Peer]:
        """Name the modules that are peers, for the report."""
        built = f"`go build {CLIENT}` with {self.compiler}, from a module proxy"
        used = (
            "a library, as are its modules `fsim` and `tpm`: under our own"
            " `tests/interop/go/services` and `tests/interop/go/device`"
        )
        return [
            Peer("go-fdo-client", self.versions[CLIENT], built),
            Peer("go-fdo", self.versions[LIBRARY], used),
        ]


@dataclass(frozen=True)
class GoSimulator:
    """Where the device with the TPM simulator of go-fdo's own tests is."""

    program: Path
    version: str

    def peers(self) -> list[Peer]:
        how = (
            "Microsoft's TPM in C, built by cgo into `tests/interop/go/device` with"
            " `go build -tags simulator`"
        )
        return [Peer("go-tpm-tools' TPM simulator", self.version, how)]


@cache
def go_peers() -> GoPeers:
    """Return the Go programs, built if need be.

    Raises:
        Unavailable: No Go, or the modules cannot be had in time.
    """
    go = tool("go", "Go")

    def build(home: Path) -> None:
        for name, package in PACKAGES.items():
            draft = home / f".{name}.new"
            run_build([go, "build", "-trimpath", "-o", str(draft), package], GO)
            draft.replace(home / name)

    compiler = answer([go, "version"])
    home = kept(GO, compiler, tuple(PACKAGES), build)
    return GoPeers(home, _versions(), compiler.removeprefix("go version ").strip())


@cache
def go_simulator() -> GoSimulator:
    """Return the device with a TPM simulator, built if need be.

    Raises:
        Unavailable: No Go, no C compiler or no OpenSSL to build it with.
    """
    go = tool("go", "Go")
    tool("gcc", "C")

    def build(home: Path) -> None:
        draft = home / f".{SIMULATED}.new"
        tagged = ["-trimpath", "-tags", "simulator", "-o", str(draft), "./device"]
        run_build([go, "build", *tagged], GO, {"CGO_ENABLED": "1"})
        draft.replace(home / SIMULATED)

    home = kept(GO, answer([go, "version"]), (SIMULATED,), build)
    return GoSimulator(home / SIMULATED, _versions()[TOOLS])


def _versions() -> dict[str, str]:
    """Read from go.mod: what the build was held to."""
    text = (GO / "go.mod").read_text()
    found = re.findall(r"^(?:require)?\s*(\S+) (v\S+)", text, re.MULTILINE)
    return dict(found)
