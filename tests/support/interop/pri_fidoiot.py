"""pri-fidoiot (Java) as a device: one directory each, driven by its settings.

No registry has it. ``VOUCHGATE_PRI_FIDOIOT`` names the directory that its build leaves
``device.jar`` in, with the libraries that it goes with.
"""

import json
import os
import shutil
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from tests.support.interop.programs import Ran, run

BUILT = os.environ.get("VOUCHGATE_PRI_FIDOIOT", "")
_NUMBERS = count(1)
_PARTS = {
    "protocol": (
        "StandardLogProvider",
        "StandardExceptionConsumer",
        "StandardMessageDispatcher",
        "StandardCryptoService",
        "StandardHttpClientSupplier",
    ),
    "sample": (
        "FileCredentialConsumer",
        "FileCredentialSupplier",
        "FileKeyStoreInputStream",
        "FileKeyStoreOutputStream",
        "DeviceValidityDays",
        "StandardDeviceKeySupplier",
        "StandardHmacFunction",
        "StandardMaxServiceInfoSupplier",
        "StandardCredReuseFunction",
        "StandardDeviceModule",
        "FdoSimDownloadDeviceModule",
        "FdoSimUploadDeviceModule",
        "FdoSimCommandDeviceModule",
        "FdoSysDeviceModule",
    ),
}


@dataclass(frozen=True)
class JavaDevice:
    """One device, with a TEST KEY of its own."""

    java: str
    directory: Path
    kind: str  # as it calls it: SECP256R1, SECP384R1
    encoding: str
    kex: str
    cipher: str

    @classmethod
    def new(
        cls, directory: Path, kind: str, encoding: str, kex: str, cipher: str
    ) -> "JavaDevice":
        """Skips where there is no such program, or no Java."""
        java = shutil.which("java")
        if not BUILT or not (Path(BUILT) / "device.jar").is_file():
            pytest.skip(
                "VOUCHGATE_PRI_FIDOIOT names no directory with device.jar in it"
            )
        if java is None:
            pytest.skip("there is no java on this machine")
        (directory / "data").mkdir()
        (directory / "secrets.path").write_text(str(directory / "data"))
        return cls(java, directory, kind, encoding, kex, cipher)

    def start(self, url: str) -> Ran:
        """Run DI with the factory there, or TO1 and TO2 once that is done."""
        data = self.directory / "data"
        parts = [
            f"org.fidoalliance.fdo.{package}.{name}"
            for package, names in _PARTS.items()
            for name in names
        ]
        settings = {
            "device": {
                "di-url": url,
                "credential-file": str(data / "credential"),
                "keystore": {
                    "path": str(data / "device.p12"),
                    "store-type": "PKCS12",
                    "password": "TEST",
                },
                "key-type": self.kind,
                "key-enc": self.encoding,
                "cipher-suite": self.cipher,
                "key-exchange-suite": self.kex,
                "max-message-size": 0,
                "service-info-mtu": 1300,
                "max-retry": 1,
                "retry-delay": 1,
            },
            "workers": parts,
            "system-properties": {"app-data.dir": str(data)},
        }
        (self.directory / "service.yml").write_text(json.dumps(settings))
        command = [self.java, "-jar", str(Path(BUILT) / "device.jar")]
        return run(command, self.directory)
