"""Where a device's keys are: by name, in its TPM or in files.

A credential names the keys it is answered with. New ones are staged beside the old;
after the credential that names them has been kept, they are settled, and the old go.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from hw.errors import StructureError
from hw.key_ref import KeyRef
from hw.keys import DeviceKey, HmacKey
from onboarding.device.errors import CredentialUnreadable

if TYPE_CHECKING:
    from hw.tpm import Tpm
    from hw.tpm_held import TpmHmac, TpmKey


class Keyring(Protocol):
    """What the machine asks of the keys' home; ``SoftKeys`` has it, too.

    Every method may raise HwError or DeviceError. An empty name stands for the key in
    the usual place.
    """

    def stage_device_key(self, kind: str) -> tuple[bytes, DeviceKey]:
        """Make a device key, one of hw.keys.KEY_KINDS; its name, and the key."""

    def stage_mac_key(self, hash_type: int) -> tuple[bytes, HmacKey]:
        """Make an HMAC key; its name, and the key."""

    def discard_mac_key(self, name: bytes) -> None:
        """Forget an HMAC key that was staged and will not be named."""

    def create_owner_key(self, kind: str) -> DeviceKey:
        """Make a key for the owner to certify, in place of the one before."""

    def device_key(self, name: bytes) -> DeviceKey:
        """The device key of that name."""

    def mac_key(self, name: bytes) -> HmacKey:
        """The HMAC key of that name."""

    def settle(self, device: bytes, macs: Sequence[bytes]) -> None:
        """Put these in their places, the first of ``macs`` is in use; others may go."""


class TpmKeyring:
    """A Keyring in a TPM."""

    def __init__(self, tpm: "Tpm") -> None:
        self._tpm = tpm

    def stage_device_key(self, kind: str) -> "tuple[bytes, TpmKey]":
        """See Keyring."""
        key = self._tpm.stage_device_key(kind)
        return _name(key.ref), key

    def stage_mac_key(self, hash_type: int) -> "tuple[bytes, TpmHmac]":
        """See Keyring."""
        key = self._tpm.stage_hmac_key(hash_type)
        return _name(key.ref), key

    def discard_mac_key(self, name: bytes) -> None:
        """Nothing of it is kept: its name is all that it could be made again from."""

    def create_owner_key(self, kind: str) -> "TpmKey":
        """See Keyring."""
        return self._tpm.create_owner_key(kind)

    def device_key(self, name: bytes) -> "TpmKey":
        """See Keyring."""
        return self._tpm.device_key(_ref(name))

    def mac_key(self, name: bytes) -> "TpmHmac":
        """See Keyring."""
        return self._tpm.hmac_key(_ref(name))

    def settle(self, device: bytes, macs: Sequence[bytes]) -> None:
        """See Keyring."""
        self._tpm.settle(_ref(device), _ref(macs[0]))


def _name(ref: KeyRef | None) -> bytes:
    return b"" if ref is None else ref.to_bytes()


def _ref(name: bytes) -> KeyRef | None:
    try:
        return KeyRef.from_bytes(name) if name else None
    except StructureError as error:
        raise CredentialUnreadable(
            f"the stored credential names a key that cannot be ({error}): start again"
            " with `vouchgate device di`"
        ) from error
