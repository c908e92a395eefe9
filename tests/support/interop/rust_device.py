"""A device of Astarte's FDO library (Rust): one directory each."""

import subprocess
import uuid
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from tests.support.interop.programs import Ran, run

SECONDS = 120.0
_NUMBERS = count(1)


@dataclass(frozen=True)
class RustDevice:
    """One device; its key is on P-256, in a file."""

    program: Path
    directory: Path
    serial: str

    @classmethod
    def new(cls, program: Path, directory: Path) -> "RustDevice":
        return cls(program, directory, f"RUST-{next(_NUMBERS):04d}")

    def initialise(self, url: str, encoding: str = "x509") -> str:
        """Run DI; return the GUID."""
        return self._guid(self._run("di", url, self.serial, encoding).require())

    def onboard(self, credential: str = "replace") -> Ran:
        """Run TO1 and TO2; ``reuse`` permits the owner to leave the credential."""
        return self._run("onboard", self.serial, credential)

    def guid_after(self, ran: Ran) -> str:
        """The GUID that a run of ``onboard`` left the device with."""
        return self._guid(ran.require())

    def _run(self, *words: str) -> Ran:
        command = [str(self.program), str(self.directory / "store"), *words]
        return run(command, self.directory)

    @staticmethod
    def _guid(ran: Ran) -> str:
        return str(uuid.UUID(ran.output.strip().splitlines()[-1].split()[0]))


def second_opinion(program: Path, voucher: bytes) -> tuple[str, int, bytes]:
    """What the library reads from a voucher: GUID, entries, the last owner's SPKI.

    It checks every entry and writes the voucher again, to the same bytes.
    """
    done = subprocess.run(  # noqa: S603 - our own program over the library
        [str(program), "voucher"], input=voucher, capture_output=True, timeout=SECONDS
    )
    assert done.returncode == 0, done.stderr.decode()
    guid, entries, key = done.stdout.decode().split()
    return str(uuid.UUID(guid)), int(entries), bytes.fromhex(key)
