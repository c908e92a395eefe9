"""The device at hand: its configuration, its keys, its TPM and its memory."""

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from hw.credential import CredentialStore, FileCredential, NvCredential
from hw.inventory import Inventory
from hw.inventory_reader import take_inventory
from hw.keys import HMAC_SHA256, HMAC_SHA384, DeviceKey, HmacKey
from hw.sysfiles import SysFiles
from onboarding.device.config import DeviceConfig
from onboarding.device.credential import Identity, KeyRefs
from onboarding.device.errors import DeviceError, NotOnboarded
from onboarding.device.keyring import Keyring, TpmKeyring
from onboarding.device.soft_keys import SoftKeys
from onboarding.device.standard import write_standard
from onboarding.protocol.device_env import DeviceCredential
from ownership_vouchers.key_algorithm import KeyAlgorithm

if TYPE_CHECKING:
    from hw.tpm import Tpm

IN_FILES = "files (no TPM: the weaker class, for they can be copied)"


class Machine:
    """Opens the TPM when the device has one; close it, or use it in ``with``.

    A device without a TPM keeps its keys in files and is the weaker for it.
    """

    def __init__(self, config: DeviceConfig, directory: Path) -> None:
        """Raises HwError when the TPM does not answer."""
        self.config = config
        self.directory = directory
        self._tpm = _open_tpm(config.tcti) if config.tcti is not None else None
        self._keys: Keyring = (
            SoftKeys(directory, config.secret_path, pss=config.key.pss)
            if self._tpm is None
            else TpmKeyring(self._tpm)
        )
        self._settled = False

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

    def create_keys(self) -> "NewKeys":
        """Make keys for a new credential, in the TPM if there is one.

        Those of the credential there is stay as they are until the new one is kept.
        """
        device, key = self._keys.stage_device_key(self.config.key)
        mac, mac_key = self.create_mac_key()
        return NewKeys(KeyRefs(device, mac), key, mac_key)

    def create_mac_key(self) -> tuple[bytes, HmacKey]:
        """Make an HMAC key for the next owner's header; its name, and the key."""
        kind = HMAC_SHA384 if self.config.key.strong else HMAC_SHA256
        return self._keys.stage_mac_key(kind)

    def discard_mac_key(self, name: bytes) -> None:
        """Forget a key of ``create_mac_key``, unless a credential names it by now."""
        identity = self.identity()
        pending = identity.pending
        named = {identity.keys.mac, *(() if pending is None else (pending.mac,))}
        if name not in named:
            self._keys.discard_mac_key(name)

    def create_owner_key(self) -> DeviceKey:
        """Make a new key for the owner to certify, in place of the one before.

        It is on the curve that is as strong as the device key.
        """
        curve = KeyAlgorithm.P384 if self.config.key.strong else KeyAlgorithm.P256
        return self._keys.create_owner_key(curve)

    @property
    def device_key(self) -> DeviceKey:
        """The key every proof of this device is made with.

        In a TPM, whatever was cut short when the credential was kept is finished first.
        Files need no such thing, and what is superfluous may be another process's, in
        the midst of TO2.
        """
        identity = self.identity()
        if self._tpm is not None:
            self._settle(identity)
        return self._keys.device_key(identity.keys.device)

    def mac_key(self, credential: DeviceCredential) -> HmacKey:
        """The key of the header's HMAC, for one of the identity's candidates."""
        return self._keys.mac_key(self.identity().keys_of(credential).mac)

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
        """Store ``identity``; durable when this returns.

        All or nothing: before the one write that counts, the old identity and its keys
        are whole; after it the new one is, and the rest can be made good at any time.
        """
        self._store().save(identity.encode())
        self._settled = False
        self._settle(identity)

    def inventory(self) -> Inventory:
        """Look around; raises TpmError when the TPM does not answer."""
        maker = None if self._tpm is None else self._tpm.maker()
        return take_inventory(SysFiles(), maker)

    def lock(self) -> None:
        """Let nobody change the credential until the machine is started anew.

        Raises:
            DeviceError: It is in a file, which cannot be locked.
        """
        store = self._store()
        if not isinstance(store, NvCredential):
            raise DeviceError("only a credential in a TPM can be locked")
        store.lock()

    def _settle(self, identity: Identity) -> None:
        if self._settled:
            return
        keys, pending = identity.keys, identity.pending
        macs = [keys.mac] if pending is None else [keys.mac, pending.mac]
        self._keys.settle(keys.device, macs)
        if self._tpm is not None:
            write_standard(self._tpm, identity.active)
        self._settled = True

    def _store(self) -> CredentialStore:
        if self._tpm is None:
            return FileCredential(self.directory / "credential.cbor")
        return NvCredential(self._tpm)


@dataclass(frozen=True, slots=True)
class NewKeys:
    """Keys that no credential names yet."""

    refs: KeyRefs
    device_key: DeviceKey
    mac_key: HmacKey


def _open_tpm(tcti: str) -> "Tpm":
    """Imported here only: a machine without a TPM does without its library."""
    from hw.tpm import Tpm

    return Tpm(tcti)
