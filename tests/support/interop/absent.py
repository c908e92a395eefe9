"""Peers that no package registry has by name, shown by asking for them.

Some were built by hand from their source and tried all the same; the report's head says
which, and of what day: go-fdo-server's is of 2026-04-30, that of the FIDO Alliance's
conformance tools of 2025-08-20.
"""

import re
import shutil
import subprocess
from collections.abc import Iterable

from tests.support.interop.go_peers import GO
from tests.support.interop.report import Peer

SECONDS = 120
_ASKED = {
    "go-fdo-server (Go)": (
        "go mod download github.com/fido-device-onboard/go-fdo-server@v1.0.0",
        "go list -m github.com/fido-device-onboard/go-fdo-server@latest",
    ),
    "FIDO Alliance's conformance tools (Go)": (
        "go list -m github.com/fido-alliance/iot-fdo-conformance-tools@latest",
    ),
    "fido-device-onboard-rs (Rust)": (
        "cargo info fdo-client-linuxapp",
        "cargo info fdo-manufacturing-client",
        "cargo info fdo-data-formats",
    ),
    "pri-fidoiot (Java)": (
        "mvn -q -B -U -N dependency:get -Dtransitive=false"
        " -Dartifact=org.fidoalliance.fdo:protocol:1.1.11",
    ),
    "Keylime's agent (Rust)": ("cargo info keylime_agent",),
    "client-sdk-fidoiot (C)": ("apt-cache show client-sdk-fidoiot",),
}
_TELLING = re.compile(
    r"403 Forbidden|404 Not Found|Could not find artifact|was not found|Empty crate"
    r"|No packages found|could not find|[Uu]nable to locate"
)


def absent_peers() -> Iterable[Peer]:
    """Ask for each; yield what was asked and the answer, as this machine has it."""
    for name, commands in _ASKED.items():
        for command in commands:
            yield Peer(name, f"`{command}`", _answer(command.split()))


def _answer(command: list[str]) -> str:
    program = shutil.which(command[0])
    if program is None:
        return f"not asked: there is no `{command[0]}` on this machine"
    try:
        done = subprocess.run(  # noqa: S603 - package managers, asked by name
            [program, *command[1:]],
            cwd=GO,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"no answer in {SECONDS} s"
    return _telling(done.stdout + done.stderr, done.returncode)


def _telling(output: str, code: int) -> str:
    """The words that say why, and no registry's address."""
    found = _TELLING.search(output)
    return f"{found[0]}, exit code {code}" if found else f"exit code {code}"
