"""Keys of a device without a TPM: files that only its user may read."""

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
from onboarding.device.errors import DeviceError, NotOnboarded

_HASH_TYPES = {32: HMAC_SHA256, 48: HMAC_SHA384}


class SoftKeys:
    """``device-key.der``, ``hmac.secret`` and the like in the device's directory.

    A key has a name of its own, so that a new one lies beside the old one until the
    credential names it; a name that is empty is that of the plain file. ``pss`` says
    that the device key signs with PSS, which no file of a key tells.
    """

    def __init__(self, directory: Path, *, pss: bool = False) -> None:
        self._directory = directory
        self._pss = pss

    def stage_device_key(self, kind: str) -> tuple[bytes, SoftKey]:
        """Make and keep a key; return its name, and the key."""
        name = _new_name()
        return name, _new_key(kind, self._key(name))

    def stage_mac_key(self, hash_type: int) -> tuple[bytes, SoftHmac]:
        """Make and keep an HMAC secret; return its name, and the key."""
        name, size = _new_name(), 32 if hash_type == HMAC_SHA256 else 48
        secret = secrets.token_bytes(size)
        write_private(self._secret(name), secret)
        return name, SoftHmac(secret, hash_type)

    def create_owner_key(self, kind: str) -> SoftKey:
        """Make and keep a key for an owner to certify, in place of any before."""
        return _new_key(kind, self._directory / "owner-key.der")

    def device_key(self, name: bytes) -> SoftKey:
        """Raises NotOnboarded or DeviceError."""
        path = self._key(name)
        try:
            key = load_der_private_key(_read(path), None)
        except (ValueError, TypeError) as error:
            raise DeviceError(f"{path} is not a private key") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
            raise DeviceError(f"{path} is neither an elliptic curve key nor RSA")
        return SoftKey(key, self._pss)

    def mac_key(self, name: bytes) -> SoftHmac:
        """Raises NotOnboarded or DeviceError."""
        path = self._secret(name)
        secret = _read(path)
        if len(secret) not in _HASH_TYPES:
            raise DeviceError(f"{path} is not 32 or 48 bytes long")
        return SoftHmac(secret, _HASH_TYPES[len(secret)])

    def settle(self, device: bytes, macs: Sequence[bytes]) -> None:
        """Take away every key that is not named."""
        kept = {self._key(device), *map(self._secret, macs)}
        for pattern in ("device-key*.der", "hmac*.secret"):
            for path in self._directory.glob(pattern):
                if path not in kept:
                    path.unlink(missing_ok=True)

    def _key(self, name: bytes) -> Path:
        return self._directory / f"device-key{_suffix(name)}.der"

    def _secret(self, name: bytes) -> Path:
        return self._directory / f"hmac{_suffix(name)}.secret"


def _new_name() -> bytes:
    return secrets.token_bytes(8)


def _suffix(name: bytes) -> str:
    return f"-{name.hex()}" if name else ""


def _new_key(kind: str, path: Path) -> SoftKey:
    key = new_soft_key(kind)
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
