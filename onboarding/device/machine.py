"""The device at hand: its configuration, its keys, its TPM and its memory."""

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from hw.credential import CredentialStore, FileCredential
from hw.keys import HMAC_SHA256, HMAC_SHA384, DeviceKey, HmacKey
from onboarding.device.config import DeviceConfig
from onboarding.device.credential import Identity
from onboarding.device.errors import DeviceError, NotOnboarded
from onboarding.device.soft_keys import SoftKeys

if TYPE_CHECKING:
    from hw.tpm import Tpm


class Machine:
    """Opens the TPM when the device has one; close it, or use it in ``with``.

    A device without a TPM keeps its keys in files and is the weaker for it.
    """

    def __init__(self, config: DeviceConfig, directory: Path) -> None:
        """Raises HwError when the TPM does not answer."""
        self.config = config
        self.directory = directory
        self._soft = SoftKeys(directory)
        self._tpm = _open_tpm(config.tcti) if config.tcti is not None else None

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Open the device that ``directory`` describes."""
        return cls(DeviceConfig.load(directory), directory)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        if self._tpm is not None:
            self._tpm.close()

    @property
    def has_tpm(self) -> bool:
        return self._tpm is not None

    @property
    def tpm(self) -> "Tpm":
        """The TPM. Raises DeviceError on a device without one."""
        if self._tpm is None:
            raise DeviceError("this device has no TPM, so nothing can be attested")
        return self._tpm

    def create_keys(self) -> tuple[DeviceKey, HmacKey]:
        """Make new keys for a new credential, in the TPM if there is one."""
        curve = self.config.curve
        hash_type = HMAC_SHA256 if curve == "P-256" else HMAC_SHA384
        if self._tpm is None:
            return self._soft.create(curve, hash_type)
        key = self._tpm.create_device_key(curve)
        return key, self._tpm.create_hmac_key(hash_type)

    def create_owner_key(self) -> DeviceKey:
        """Make a new key for the owner to certify, in place of the one before."""
        curve = self.config.curve
        if self._tpm is None:
            return self._soft.create_owner_key(curve)
        return self._tpm.create_owner_key(curve)

    @property
    def device_key(self) -> DeviceKey:
        """The key every proof of this device is made with."""
        return self._soft.device_key() if self._tpm is None else self._tpm.device_key()

    @property
    def mac_key(self) -> HmacKey:
        """The key of the voucher header's HMAC."""
        return self._soft.mac_key() if self._tpm is None else self._tpm.hmac_key()

    def identity(self) -> Identity:
        """Return what the device knows of itself.

        Raises:
            NotOnboarded: It has not been through device initialisation.
            CredentialUnreadable: What is stored is not an identity.
        """
        stored = self._store().load()
        if stored is None:
            raise NotOnboarded(
                "this device has no credential yet: run `vouchgate device di`"
            )
        return Identity.decode(stored)

    def keep(self, identity: Identity) -> None:
        """Store ``identity``; durable when this returns."""
        self._store().save(identity.encode())

    def _store(self) -> CredentialStore:
        if self._tpm is None:
            return FileCredential(self.directory / "credential.cbor")
        from hw.credential import NvCredential

        return NvCredential(self._tpm)


def _open_tpm(tcti: str) -> "Tpm":
    """Imported here only: a machine without a TPM does without its library."""
    from hw.tpm import Tpm

    return Tpm(tcti)
