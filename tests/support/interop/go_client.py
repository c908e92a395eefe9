"""go-fdo-client as a device: one directory each, driven by its command line."""

import re
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from onboarding.services.key_material import KeyAlgorithm
from ownership_vouchers.types import Guid
from tests.support.interop.programs import Ran, run

ALGORITHMS = {
    "ec256": KeyAlgorithm.P256,
    "ec384": KeyAlgorithm.P384,
    "rsa2048": KeyAlgorithm.RSA2048,
    "rsa3072": KeyAlgorithm.RSA3072,
    "pss2048": KeyAlgorithm.RSA2048_PSS,
    "pss3072": KeyAlgorithm.RSA3072_PSS,
}
COMPLETE = "FIDO Device Onboard Complete"
REUSED = "Credential not updated"
_FAILURES = ("TO1 failed", "TO2 failed")  # after these it tries again, for ever
_NUMBERS = count(1)


@dataclass(frozen=True)
class GoClient:
    """One device; ``key`` is the kind of its key and of its manufacturer's.

    ``tpm`` is the path of a TPM to keep keys and credential in; None is a file.
    """

    program: Path
    directory: Path
    key: str
    serial: str
    tpm: str | None = None

    @classmethod
    def new(
        cls, program: Path, tmp_path: Path, key: str, tpm: str | None = None
    ) -> "GoClient":
        serial = f"GO-{next(_NUMBERS):04d}"
        (tmp_path / "work").mkdir()
        return cls(program, tmp_path, key, serial, tpm)

    @property
    def algorithm(self) -> KeyAlgorithm:
        return ALGORITHMS[self.key]

    @property
    def work(self) -> Path:
        """Where its modules read and write files."""
        return self.directory / "work"

    def initialise(self, url: str, encoding: str = "x509") -> Ran:
        """Run DI."""
        named = ["--device-info", "go-fdo-client", "--serial-number", self.serial]
        return self._run(["device-init", url, "--key-enc", encoding, *named]).require()

    def guid(self) -> str:
        """The GUID of the credential that it has."""
        printed = self._run(["print"]).require().output
        found = re.search(r"^\s*GUID\s+([0-9a-f]{32})$", printed, re.MULTILINE)
        assert found is not None, printed
        return str(Guid(bytes.fromhex(found[1])))

    def onboard(self, kex: str, cipher: str, *more: str) -> Ran:
        """Run TO1 and TO2, until they end or first fail."""
        chosen = ["--kex", kex, "--cipher", cipher]
        return self._run(
            ["onboard", *chosen, "--default-working-dir", str(self.work), *more],
            stop_at=_FAILURES,
        )

    def _run(self, arguments: list[str], stop_at: tuple[str, ...] = ()) -> Ran:
        kept = ["--tpm", self.tpm] if self.tpm else ["--blob", "credential.bin"]
        common = [*kept, "--key", self.key, "--debug"]
        command = [str(self.program), *common, *arguments]
        return run(command, self.directory, stop_at=stop_at)
