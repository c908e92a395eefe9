"""The keys a device holds: the ports the rest is written against, and soft ones.

A soft key lives in memory or in a file: a device without a TPM runs on it, and carries
the weaker class that this earns. TPM keys are in ``hw.tpm_keys``.
"""

import hmac
from dataclasses import dataclass, field
from typing import Protocol

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from hw.errors import HwError
from hw.signature import raw_ecdsa

ES256, ES384 = -7, -35  # COSE algorithms, RFC 9053 section 2.1
HMAC_SHA256, HMAC_SHA384 = 5, 6  # FDO 1.1, section 3.3.2

CURVES: dict[str, type[ec.SECP256R1 | ec.SECP384R1]] = {
    "P-256": ec.SECP256R1,
    "P-384": ec.SECP384R1,
}


class DeviceKey(Protocol):
    """A signing key that the device can use; some kinds cannot leak."""

    @property
    def alg(self) -> int:
        """COSE algorithm: -7 (ES256, P-256) or -35 (ES384, P-384)."""

    @property
    def public_key(self) -> ec.EllipticCurvePublicKey:
        """The public half."""

    def sign(self, data: bytes) -> bytes:
        """``r || s`` over ``data``, hashed here: 64 or 96 bytes."""


class HmacKey(Protocol):
    """A symmetric key that the device can use."""

    @property
    def hash_type(self) -> int:
        """FDO hash type: 5 (HMAC-SHA256) or 6 (HMAC-SHA384)."""

    def mac(self, data: bytes) -> bytes:
        """HMAC over ``data`` of any length: 32 or 48 bytes."""


@dataclass(frozen=True, slots=True)
class SoftKey:
    """A DeviceKey in memory."""

    private_key: ec.EllipticCurvePrivateKey = field(repr=False)

    @property
    def alg(self) -> int:
        """See DeviceKey."""
        return alg_of(self.private_key.curve)

    @property
    def public_key(self) -> ec.EllipticCurvePublicKey:
        """See DeviceKey."""
        return self.private_key.public_key()

    def sign(self, data: bytes) -> bytes:
        """See DeviceKey."""
        hashing = hashes.SHA256() if self.alg == ES256 else hashes.SHA384()
        der = self.private_key.sign(data, ec.ECDSA(hashing))
        return raw_ecdsa(der, self.private_key.key_size // 8)


@dataclass(frozen=True, slots=True)
class SoftHmac:
    """An HmacKey in memory."""

    secret: bytes = field(repr=False)
    hash_type: int = HMAC_SHA256

    def mac(self, data: bytes) -> bytes:
        """See HmacKey."""
        return hmac.digest(self.secret, data, hmac_hash(self.hash_type))


def new_soft_key(curve: str = "P-256") -> SoftKey:
    """A fresh key on ``P-256`` or ``P-384``; raises HwError for another curve."""
    if curve not in CURVES:
        raise HwError(f"device keys are on P-256 or P-384, not {curve}")
    return SoftKey(ec.generate_private_key(CURVES[curve]()))


def alg_of(curve: ec.EllipticCurve) -> int:
    """The COSE algorithm that goes with a curve; raises HwError for another curve."""
    match curve:
        case ec.SECP256R1():
            return ES256
        case ec.SECP384R1():
            return ES384
    raise HwError(f"device keys are on P-256 or P-384, not {curve.name}")


def hmac_hash(hash_type: int) -> str:
    """The ``hashlib`` name behind an FDO HMAC type; raises HwError for another."""
    names = {HMAC_SHA256: "sha256", HMAC_SHA384: "sha384"}
    if hash_type not in names:
        raise HwError(f"HMAC type {hash_type} is neither 5 nor 6")
    return names[hash_type]
