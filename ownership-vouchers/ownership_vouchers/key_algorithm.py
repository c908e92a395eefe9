"""The kinds of key that FDO has, by the names people choose them by."""

from enum import StrEnum, unique

from cryptography.hazmat.primitives.asymmetric import ec

from ownership_vouchers.algorithms import VerifyKey, alg_for
from ownership_vouchers.keys import KeyType


@unique
class KeyAlgorithm(StrEnum):
    """One kind of key, for a device, a manufacturer or an owner.

    ``-PSS`` is FDO's key type RSAPSS: the same key for signatures of another kind.
    """

    P256 = "P-256"
    P384 = "P-384"
    RSA2048 = "RSA-2048"
    RSA3072 = "RSA-3072"
    RSA2048_PSS = "RSA-2048-PSS"
    RSA3072_PSS = "RSA-3072-PSS"

    @property
    def pss(self) -> bool:
        return self.key_type is KeyType.RSAPSS

    @property
    def strong(self) -> bool:
        """Whether it is of the stronger of FDO's two classes."""
        return self in (
            KeyAlgorithm.P384,
            KeyAlgorithm.RSA3072,
            KeyAlgorithm.RSA3072_PSS,
        )

    @property
    def key_type(self) -> KeyType:
        """The pkType that such a key has on the wire."""
        match self:
            case KeyAlgorithm.P256:
                return KeyType.SECP256R1
            case KeyAlgorithm.P384:
                return KeyType.SECP384R1
            case KeyAlgorithm.RSA2048:
                return KeyType.RSA2048RESTR
            case KeyAlgorithm.RSA3072:
                return KeyType.RSAPKCS
            case KeyAlgorithm.RSA2048_PSS | KeyAlgorithm.RSA3072_PSS:
                return KeyType.RSAPSS

    @classmethod
    def of(cls, key: VerifyKey, *, pss: bool = False) -> "KeyAlgorithm":
        """Return which kind a key is. Raises UnsupportedKeyError."""
        alg_for(key)
        if isinstance(key, ec.EllipticCurvePublicKey):
            return cls(f"P-{key.key_size}")
        return cls(f"RSA-{key.key_size}{'-PSS' if pss else ''}")
