"""The TPM algorithms we accept: one closed table for everything that reads them.

Source: TCG Algorithm Registry 1.34, tables 3 and 4. An identifier that is not listed
is refused by its enum's constructor, SHA-1 among them.
"""

from dataclasses import dataclass
from enum import IntEnum, unique

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from hw.errors import StructureError

NULL = 0x0010


@unique
class KeyAlg(IntEnum):
    """TPMI_ALG_PUBLIC of the asymmetric keys we read."""

    RSA = 0x0001
    ECC = 0x0023


@unique
class SchemeAlg(IntEnum):
    """Signature schemes."""

    RSASSA = 0x0014
    RSAPSS = 0x0016
    ECDSA = 0x0018


@unique
class HashAlg(IntEnum):
    """Hashes, for names, signatures and PCR banks alike."""

    SHA256 = 0x000B
    SHA384 = 0x000C
    SHA512 = 0x000D

    @property
    def algorithm(self) -> hashes.HashAlgorithm:
        """A fresh instance for ``cryptography``."""
        return _HASHES[self]()

    @property
    def size(self) -> int:
        """Bytes in a digest."""
        return _HASHES[self].digest_size

    @property
    def bank(self) -> str:
        """The name people and Keylime use for the PCR bank, such as ``sha256``."""
        return self.name.lower()

    def digest(self, *chunks: bytes) -> bytes:
        """Hash the chunks as one string."""
        state = hashes.Hash(self.algorithm)
        for chunk in chunks:
            state.update(chunk)
        return state.finalize()

    @classmethod
    def of_bank(cls, bank: str) -> "HashAlg":
        """The hash of a bank's name; raises StructureError for one not listed."""
        for alg in cls:
            if alg.bank == bank:
                return alg
        raise StructureError(f"PCR bank {bank!r} is not one of ours")


_HASHES: dict[HashAlg, type[hashes.SHA256 | hashes.SHA384 | hashes.SHA512]] = {
    HashAlg.SHA256: hashes.SHA256,
    HashAlg.SHA384: hashes.SHA384,
    HashAlg.SHA512: hashes.SHA512,
}


@unique
class Curve(IntEnum):
    """TPMI_ECC_CURVE: the two NIST curves in use for TPM keys."""

    P256 = 0x0003
    P384 = 0x0004

    @property
    def curve(self) -> ec.EllipticCurve:
        """The curve for ``cryptography``."""
        return ec.SECP256R1() if self is Curve.P256 else ec.SECP384R1()

    @property
    def size(self) -> int:
        """Bytes in one coordinate."""
        return 32 if self is Curve.P256 else 48


@dataclass(frozen=True, slots=True)
class Scheme:
    """How a key signs: the scheme and its hash, fixed when the key was made."""

    alg: SchemeAlg
    hash: HashAlg


@dataclass(frozen=True, slots=True)
class Symmetric:
    """A storage key's cipher: AES in CFB mode, ``bits`` of key."""

    bits: int
