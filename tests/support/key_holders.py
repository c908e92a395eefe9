"""What private keys of services are in, when in no file: as settings name it."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from onboarding.services.key_store import Custody
from onboarding.services.settings import Settings


class KeyHolder(ABC):
    """A token or a TPM."""

    custody: ClassVar[Custody]

    @property
    @abstractmethod
    def named(self) -> dict[str, Any]:
        """The settings that name it."""

    @property
    def environment(self) -> dict[str, str]:
        return {f"VOUCHGATE_{k.upper()}": str(v) for k, v in self.named.items()}

    def settings(self, directory: Path, **changed: Any) -> Settings:
        """Settings of a service whose key files are in ``directory``."""
        passphrase = directory / "passphrase"
        passphrase.write_text("a passphrase of the tests")
        files = {"key_directory": directory / "keys", "key_passphrase_file": passphrase}
        return Settings(**{**files, **self.named, **changed})


@dataclass(frozen=True)
class KeyTpm(KeyHolder):
    """A TPM, with a TEST VALUE that authorises the use of its keys."""

    custody = Custody.TPM
    tcti: str
    auth_file: Path
    seconds: int = 10

    @property
    def named(self) -> dict[str, Any]:
        return {
            "tpm_tcti": self.tcti,
            "tpm_auth_file": self.auth_file,
            "tpm_seconds": self.seconds,
        }


def key_tpm(tcti: str, directory: Path, seconds: int = 10) -> KeyTpm:
    auth = directory / "auth"
    auth.write_text("a value of tests\n")
    return KeyTpm(tcti, auth, seconds)
