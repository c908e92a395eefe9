"""A device over the go-fdo library: one directory each, driven by its command line.

For what go-fdo-client lacks: RSA keys that sign with PSS, keys in a software TPM, and
the TPM simulator of go-fdo's own tests.
"""

from dataclasses import dataclass
from itertools import count
from pathlib import Path

from ownership_vouchers.types import Guid
from tests.support.interop.programs import Ran, run

_NUMBERS = count(1)


@dataclass(frozen=True)
class GoDevice:
    """One device.

    ``tpm`` is the TCTI of the software TPM that has its keys, or a number if the
    program simulates one: the same number is the same TPM.
    """

    program: Path
    directory: Path
    key: str
    serial: str
    tpm: str | None = None

    @classmethod
    def new(
        cls, program: Path, directory: Path, key: str, tpm: str | None = None
    ) -> "GoDevice":
        return cls(program, directory, key, f"LIB-{next(_NUMBERS):04d}", tpm)

    def initialise(self, url: str, encoding: str = "x509") -> str:
        """Run DI; return the GUID."""
        named = ["-url", url, "-serial", self.serial]
        return told(self._run("di", *named, "-key", self.key, "-encoding", encoding))

    def onboard(self, kex: str, cipher: str, *more: str) -> Ran:
        """Run TO1, unless it is bypassed, and TO2; one try."""
        return self._run("onboard", "-kex", kex, "-cipher", cipher, *more)

    def _run(self, *words: str) -> Ran:
        command = [str(self.program), *words]
        if self.tpm is not None:
            command += ["-tpm", _address(self.tpm)]
        return run(command, self.directory)


def told(ran: Ran) -> str:
    """The GUID that a run left the device with."""
    return str(Guid(bytes.fromhex(ran.require().output.strip().splitlines()[-1])))


def _address(tcti: str) -> str:
    """Turn ``swtpm:host=H,port=P`` into what Go dials; numbers stay."""
    if tcti.isdecimal():
        return tcti
    fields = dict(one.split("=") for one in tcti.removeprefix("swtpm:").split(","))
    return f"{fields['host']}:{fields['port']}"
