"""The keys a device holds: the ports the rest is written against, and soft ones.

A soft key lives in memory or in a file: a device without a TPM runs on it, and carries
the weaker class that this earns. TPM keys are in ``hw.tpm_keys``.
"""

import hmac
from dataclasses import dataclass, field
from typing import Protocol

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from hw.errors import HwError
from hw.signature import raw_ecdsa

ES256, ES384 = -7, -35  # COSE algorithms, RFC 9053 section 2.1
PS256, PS384 = -37, -38  # RFC 8230, section 2
RS256, RS384 = -257, -258  # RFC 8812, section 2
HMAC_SHA256, HMAC_SHA384 = 5, 6  # FDO 1.1, section 3.3.2

PSS = "-PSS"  # at the end of an RSA kind: signatures with PSS
KEY_KINDS = ("P-256", "P-384", "RSA-2048", "RSA-3072", "RSA-2048-PSS", "RSA-3072-PSS")
DevicePublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey
_SHORT = (ES256, PS256, RS256)


class DeviceKey(Protocol):
    """A signing key that the device can use; some kinds cannot leak."""

    @property
    def alg(self) -> int:
        """COSE algorithm: -7, -35 (EC), -257, -258 (RSA), -37 or -38 (RSA with PSS)."""

    @property
    def public_key(self) -> DevicePublicKey:
        """The public half."""

    def sign(self, data: bytes) -> bytes:
        """Sign ``data``, hashed here; ECDSA as ``r || s``, 64 or 96 bytes."""


class HmacKey(Protocol):
    """A symmetric key that the device can use."""

    @property
    def hash_type(self) -> int:
        """FDO hash type: 5 (HMAC-SHA256) or 6 (HMAC-SHA384)."""

    def mac(self, data: bytes) -> bytes:
        """HMAC over ``data`` of any length: 32 or 48 bytes."""


@dataclass(frozen=True, slots=True)
class SoftKey:
    """A DeviceKey in memory; ``pss`` is of use to RSA keys only."""

    private_key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey = field(repr=False)
    pss: bool = False

    @property
    def alg(self) -> int:
        """See DeviceKey."""
        return alg_of(self.public_key, pss=self.pss)

    @property
    def public_key(self) -> DevicePublicKey:
        """See DeviceKey."""
        return self.private_key.public_key()

    def sign(self, data: bytes) -> bytes:
        """See DeviceKey."""
        hashing = hashes.SHA256() if self.alg in _SHORT else hashes.SHA384()
        if isinstance(self.private_key, ec.EllipticCurvePrivateKey):
            der = self.private_key.sign(data, ec.ECDSA(hashing))
            return raw_ecdsa(der, self.private_key.key_size // 8)
        if not self.pss:
            return self.private_key.sign(data, padding.PKCS1v15(), hashing)
        mask = padding.MGF1(hashing)
        salted = padding.PSS(mask, hashing.digest_size)
        return self.private_key.sign(data, salted, hashing)


@dataclass(frozen=True, slots=True)
class SoftHmac:
    """An HmacKey in memory."""

    secret: bytes = field(repr=False)
    hash_type: int = HMAC_SHA256

    def mac(self, data: bytes) -> bytes:
        """See HmacKey."""
        return hmac.digest(self.secret, data, hmac_hash(self.hash_type))


def new_soft_key(kind: str = "P-256") -> SoftKey:
    """A fresh key of one of KEY_KINDS; raises HwError for another kind."""
    match kind.removesuffix(PSS):
        case "P-256" if kind in KEY_KINDS:
            return SoftKey(ec.generate_private_key(ec.SECP256R1()))
        case "P-384" if kind in KEY_KINDS:
            return SoftKey(ec.generate_private_key(ec.SECP384R1()))
        case "RSA-2048" | "RSA-3072" as plain:
            key = rsa.generate_private_key(65537, int(plain.removeprefix("RSA-")))
            return SoftKey(key, kind.endswith(PSS))
    raise HwError(f"device keys are {' or '.join(KEY_KINDS)}, not {kind}")


def alg_of(key: DevicePublicKey, *, pss: bool = False) -> int:
    """The COSE algorithm of a key; raises HwError for one that devices do not use."""
    match key:
        case ec.EllipticCurvePublicKey(curve=ec.SECP256R1()):
            return ES256
        case ec.EllipticCurvePublicKey(curve=ec.SECP384R1()):
            return ES384
        case rsa.RSAPublicKey(key_size=2048):
            return PS256 if pss else RS256
        case rsa.RSAPublicKey(key_size=3072):
            return PS384 if pss else RS384
    what = getattr(getattr(key, "curve", None), "name", f"{key.key_size} bits")
    raise HwError(f"device keys are {' or '.join(KEY_KINDS)}, not {what}")


def hmac_hash(hash_type: int) -> str:
    """The ``hashlib`` name behind an FDO HMAC type; raises HwError for another."""
    names = {HMAC_SHA256: "sha256", HMAC_SHA384: "sha384"}
    if hash_type not in names:
        raise HwError(f"HMAC type {hash_type} is neither 5 nor 6")
    return names[hash_type]
