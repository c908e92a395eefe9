"""Keys of a device without a TPM: sealed files. They can be copied, and so can it."""

import secrets
from collections.abc import Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from hw.keys import HMAC_SHA256, HMAC_SHA384, SoftHmac, SoftKey, new_soft_key
from onboarding.device.config import write_private
from onboarding.device.errors import DeviceError
from onboarding.device.sealed import Sealer, read_small

_HASH_TYPES = {32: HMAC_SHA256, 48: HMAC_SHA384}


class SoftKeys:
    """``device-key-NAME.sealed`` and ``hmac-NAME.sealed`` in the device's directory.

    A key has a name of its own, so that a new one lies beside the old one until the
    credential names it. A name that is empty is that of a device made before keys were
    sealed: ``device-key.der`` and ``hmac.secret``. ``secret_file`` opens the seals;
    ``pss`` says that the device key signs with PSS, which no file of a key tells.
    """

    def __init__(
        self, directory: Path, secret_file: Path | None = None, *, pss: bool = False
    ) -> None:
        self._directory = directory
        self._sealer = Sealer(directory, secret_file)
        self._pss = pss

    def stage_device_key(self, kind: str) -> tuple[bytes, SoftKey]:
        """Make and keep a key; return its name, and the key."""
        name, key = _new_name(), new_soft_key(kind)
        self._sealer.write(self._key(name), _pkcs8(key))
        return name, key

    def stage_mac_key(self, hash_type: int) -> tuple[bytes, SoftHmac]:
        """Make and keep an HMAC secret; return its name, and the key."""
        name, size = _new_name(), 32 if hash_type == HMAC_SHA256 else 48
        secret = secrets.token_bytes(size)
        self._sealer.write(self._secret(name), secret)
        return name, SoftHmac(secret, hash_type)

    def discard_mac_key(self, name: bytes) -> None:
        """Take a secret away that was staged and will not be named."""
        self._secret(name).unlink(missing_ok=True)

    def create_owner_key(self, kind: str) -> SoftKey:
        """Make and keep a key for an owner to certify, in place of any before.

        It is kept plain: programs of this machine use it, and it proves no device.
        """
        key = new_soft_key(kind)
        write_private(self._directory / "owner-key.der", _pkcs8(key))
        return key

    def device_key(self, name: bytes) -> SoftKey:
        """Raises NotOnboarded or DeviceError."""
        path = self._key(name)
        try:
            key = load_der_private_key(self._read(path, name), None)
        except (ValueError, TypeError) as error:
            raise DeviceError(f"{path} is not a private key") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
            raise DeviceError(f"{path} is neither an elliptic curve key nor RSA")
        return SoftKey(key, self._pss)

    def mac_key(self, name: bytes) -> SoftHmac:
        """Raises NotOnboarded or DeviceError."""
        path = self._secret(name)
        secret = self._read(path, name)
        if len(secret) not in _HASH_TYPES:
            raise DeviceError(f"{path} is not 32 or 48 bytes long")
        return SoftHmac(secret, _HASH_TYPES[len(secret)])

    def settle(self, device: bytes, macs: Sequence[bytes]) -> None:
        """Take away every key that is not named."""
        kept = {self._key(device), *map(self._secret, macs)}
        for pattern in ("device-key*", "hmac*"):
            for path in self._directory.glob(pattern):
                if path not in kept:
                    path.unlink(missing_ok=True)

    def _read(self, path: Path, name: bytes) -> bytes:
        return self._sealer.read(path) if name else read_small(path)

    def _key(self, name: bytes) -> Path:
        file = f"device-key-{name.hex()}.sealed" if name else "device-key.der"
        return self._directory / file

    def _secret(self, name: bytes) -> Path:
        file = f"hmac-{name.hex()}.sealed" if name else "hmac.secret"
        return self._directory / file


def _new_name() -> bytes:
    return secrets.token_bytes(8)


def _pkcs8(key: SoftKey) -> bytes:
    form = Encoding.DER, PrivateFormat.PKCS8, NoEncryption()
    return key.private_key.private_bytes(*form)
