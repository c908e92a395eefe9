"""Keys of a device without a TPM: files that only its user may read."""

import secrets
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from hw.keys import HMAC_SHA256, HMAC_SHA384, SoftHmac, SoftKey, new_soft_key
from onboarding.device.config import write_private
from onboarding.device.errors import DeviceError, NotOnboarded

_HASH_TYPES = {32: HMAC_SHA256, 48: HMAC_SHA384}


class SoftKeys:
    """``device-key.der``, ``owner-key.der`` and ``hmac.secret`` in its directory."""

    def __init__(self, directory: Path) -> None:
        self._key = directory / "device-key.der"
        self._owner_key = directory / "owner-key.der"
        self._secret = directory / "hmac.secret"

    def create(self, curve: str, hash_type: int) -> tuple[SoftKey, SoftHmac]:
        """Make and keep both keys, in place of any before."""
        secret = secrets.token_bytes(32 if hash_type == HMAC_SHA256 else 48)
        key = _new_key(curve, self._key)
        write_private(self._secret, secret)
        return key, SoftHmac(secret, hash_type)

    def create_owner_key(self, curve: str) -> SoftKey:
        """Make and keep a key for an owner to certify, in place of any before."""
        return _new_key(curve, self._owner_key)

    def device_key(self) -> SoftKey:
        """Raises NotOnboarded or DeviceError."""
        try:
            key = load_der_private_key(_read(self._key), None)
        except (ValueError, TypeError) as error:
            raise DeviceError(f"{self._key} is not a private key") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise DeviceError(f"{self._key} is not an elliptic curve key")
        return SoftKey(key)

    def mac_key(self) -> SoftHmac:
        """Raises NotOnboarded or DeviceError."""
        secret = _read(self._secret)
        if len(secret) not in _HASH_TYPES:
            raise DeviceError(f"{self._secret} is not 32 or 48 bytes long")
        return SoftHmac(secret, _HASH_TYPES[len(secret)])


def _new_key(curve: str, path: Path) -> SoftKey:
    key = new_soft_key(curve)
    form = Encoding.DER, PrivateFormat.PKCS8, NoEncryption()
    write_private(path, key.private_key.private_bytes(*form))
    return key


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise NotOnboarded(
            f"{path} cannot be read: run `vouchgate device di`"
        ) from error
