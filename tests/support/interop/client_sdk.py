"""client-sdk-fidoiot (C) as a device: one directory each, driven by its command line.

No registry has it. ``VOUCHGATE_CLIENT_SDK`` names a directory of programs built from
its source, each by the name of what it was built with: ``DA``, a hyphen, ``AES_MODE``.
Its key, key exchange and cipher are fixed when it is built.
"""

import os
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from onboarding.services.key_material import KeyAlgorithm
from tests.support.interop.programs import Ran, run

BUILDS = os.environ.get("VOUCHGATE_CLIENT_SDK", "")
INITIALISED = "FIDO Device Initialization Complete"
COMPLETE = "FIDO Device Onboard Complete"
_CURVES: dict[str, tuple[KeyAlgorithm, ec.EllipticCurve]] = {
    "ecdsa256": (KeyAlgorithm.P256, ec.SECP256R1()),
    "ecdsa384": (KeyAlgorithm.P384, ec.SECP384R1()),
}
_EMPTY = (
    "Mfg.blob",
    "Normal.blob",
    "Secure.blob",
    "raw.blob",
    "max_serviceinfo_sz.bin",
    "mfg_proxy.dat",
    "owner_proxy.dat",
    "platform_aes_key.bin",
    "platform_hmac_key.bin",
    "platform_iv.bin",
    "rv_proxy.dat",
)
_NUMBERS = count(1)


@dataclass(frozen=True)
class ClientSdk:
    """One device, with a TEST KEY of its own in its ``data`` directory."""

    program: Path
    directory: Path
    algorithm: KeyAlgorithm
    serial: str

    @classmethod
    def new(cls, build: str, directory: Path) -> "ClientSdk":
        """Skips where there is no such program."""
        program = Path(BUILDS) / build
        if not BUILDS or not program.is_file():
            pytest.skip(f"VOUCHGATE_CLIENT_SDK names no directory with {build} in it")
        attestation = build.partition("-")[0]
        algorithm, curve = _CURVES[attestation]
        device = cls(program, directory, algorithm, f"CSDK-{next(_NUMBERS):04d}")
        data = directory / "data"
        data.mkdir()
        for name in _EMPTY:
            (data / name).touch()
        private = ec.generate_private_key(curve).private_numbers().private_value
        size = curve.key_size // 8
        (data / f"{attestation}privkey.dat").write_bytes(private.to_bytes(size, "big"))
        (data / "manufacturer_sn.bin").write_text(device.serial)
        (data / "manufacturer_mod.bin").write_text("client-sdk")
        return device

    def initialise(self, url: str) -> Ran:
        """Run DI."""
        (self.directory / "data/manufacturer_addr.bin").write_text(url)
        return self._run()

    def onboard(self, stop_at: str = "TO2 failed") -> Ran:
        """Run TO1 and TO2, until they end or it says that: it tries five times."""
        return self._run(stop_at=stop_at)

    def resell(self) -> Ran:
        """Make it ready for its next owner."""
        return self._run("-r")

    def _run(self, *arguments: str, stop_at: str = "DI failed") -> Ran:
        command = [str(self.program), *arguments]
        return run(command, self.directory, stop_at=[stop_at])
