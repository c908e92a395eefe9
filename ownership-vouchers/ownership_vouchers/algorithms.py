"""The one table of signature algorithms: which key signs how.

Source: RFC 8152, section 8; RFC 8812; FDO 1.1, section 3.3.3.
"""

from enum import IntEnum, unique
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from ownership_vouchers.errors import (
    DecryptError,
    SignatureError,
    UnsupportedKeyError,
)

VerifyKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey
SigningKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@unique
class Alg(IntEnum):
    """COSE signature algorithms that FDO keys use."""

    ES256 = -7
    ES384 = -35
    PS256 = -37
    PS384 = -38
    RS256 = -257
    RS384 = -258


_EC = {"secp256r1": (Alg.ES256, 32), "secp384r1": (Alg.ES384, 48)}
_ECDSA = {Alg.ES256: ec.ECDSA(hashes.SHA256()), Alg.ES384: ec.ECDSA(hashes.SHA384())}
_HASH: dict[Alg, hashes.HashAlgorithm] = {
    Alg.ES256: hashes.SHA256(),
    Alg.ES384: hashes.SHA384(),
    Alg.PS256: hashes.SHA256(),
    Alg.PS384: hashes.SHA384(),
    Alg.RS256: hashes.SHA256(),
    Alg.RS384: hashes.SHA384(),
}


class Signer(Protocol):
    """A private key, wherever it lives, that makes COSE signatures."""

    @property
    def alg(self) -> int:
        """The COSE algorithm identifier of every signature it makes."""

    def sign(self, data: bytes) -> bytes:
        """Sign ``data`` (not yet hashed); ECDSA as raw ``r || s``."""


OAEP = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
"""How a device encrypts to its owner's RSA key, whatever that key's size."""


class Decrypter(Protocol):
    """A private RSA key, wherever it lives, that opens what was encrypted to it."""

    def decrypt(self, ciphertext: bytes) -> bytes:
        """Open RSA-OAEP with SHA-256 in both places and no label.

        Raises:
            DecryptError: It was not encrypted to this key.
        """


class OwnerKey(Signer, Protocol):
    """An owner's private key, wherever it lives."""

    @property
    def decrypter(self) -> Decrypter | None:
        """The same key as one that decrypts.

        None when it is not RSA, or where it lives it may only sign: then whoever
        configures it learns so, and no device is offered a key exchange that needs it.
        """


def alg_for(key: VerifyKey, *, pss: bool = False) -> Alg:
    """Return the algorithm that signatures of ``key`` must use.

    Raises:
        UnsupportedKeyError: A curve, or an RSA size or exponent, not in FDO.
    """
    if isinstance(key, ec.EllipticCurvePublicKey):
        if key.curve.name not in _EC:
            raise UnsupportedKeyError(f"curve {key.curve.name}")
        return _EC[key.curve.name][0]
    if key.key_size == 2048:
        return Alg.PS256 if pss else Alg.RS256
    if key.key_size == 3072:
        return Alg.PS384 if pss else Alg.RS384
    raise UnsupportedKeyError(f"RSA key of {key.key_size} bits")


def permitted(key: VerifyKey) -> frozenset[Alg]:
    """Return the algorithms a signature by ``key`` may claim."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        return frozenset({alg_for(key)})
    return frozenset({alg_for(key), alg_for(key, pss=True)})


def _padding(alg: Alg) -> padding.AsymmetricPadding:
    if alg in (Alg.RS256, Alg.RS384):
        return padding.PKCS1v15()
    digest = _HASH[alg]
    return padding.PSS(padding.MGF1(digest), digest.digest_size)


def verify(key: VerifyKey, alg: Alg, signature: bytes, data: bytes) -> None:
    """Check a raw COSE signature.

    Args:
        signature: ``r || s`` for ECDSA (64 or 96 bytes), else as PKCS#1.

    Raises:
        SignatureError: It does not verify, or ``alg`` is not for ``key``.
    """
    if alg not in permitted(key):
        raise SignatureError(f"{alg.name} is not an algorithm of this key")
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            size = _EC[key.curve.name][1]
            key.verify(_to_der(signature, size), data, _ECDSA[alg])
        else:
            key.verify(signature, data, _padding(alg), _HASH[alg])
    except InvalidSignature as error:
        raise SignatureError("the signature does not verify") from error


def _to_der(signature: bytes, size: int) -> bytes:
    if len(signature) != 2 * size:
        raise SignatureError(f"signature of {len(signature)} bytes, not {2 * size}")
    r, s = signature[:size], signature[size:]
    return encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))


class SoftSigner:
    """A signing key behind ``cryptography``'s interface: in memory, or elsewhere.

    Args:
        decrypts: Whether an RSA key may, and can, decrypt where it lives.
    """

    __slots__ = ("_decrypts", "_key", "alg")

    def __init__(
        self, key: SigningKey, *, pss: bool = False, decrypts: bool = True
    ) -> None:
        self._key = key
        self._decrypts = decrypts
        self.alg: Alg = alg_for(key.public_key(), pss=pss)

    @property
    def public_key(self) -> VerifyKey:
        return self._key.public_key()

    @property
    def private_key(self) -> SigningKey:
        return self._key

    @property
    def decrypter(self) -> Decrypter | None:
        """See OwnerKey; a key in memory decrypts if it is RSA."""
        if self._decrypts and isinstance(self._key, rsa.RSAPrivateKey):
            return _SoftDecrypter(self._key)
        return None

    def padded(self, *, pss: bool) -> "SoftSigner":
        """Return the same key for signatures with PSS or without; EC keys have none."""
        if isinstance(self._key, ec.EllipticCurvePrivateKey):
            return self
        return SoftSigner(self._key, pss=pss, decrypts=self._decrypts)

    def sign(self, data: bytes) -> bytes:
        if isinstance(self._key, ec.EllipticCurvePrivateKey):
            der = self._key.sign(data, _ECDSA[self.alg])
            size = _EC[self._key.curve.name][1]
            r, s = decode_dss_signature(der)
            return r.to_bytes(size, "big") + s.to_bytes(size, "big")
        return self._key.sign(data, _padding(self.alg), _HASH[self.alg])

    def __repr__(self) -> str:
        return f"SoftSigner({self.alg.name})"


class _SoftDecrypter:
    """An RSA key that decrypts."""

    __slots__ = ("_key",)

    def __init__(self, key: rsa.RSAPrivateKey) -> None:
        self._key = key

    def decrypt(self, ciphertext: bytes) -> bytes:
        try:
            return self._key.decrypt(ciphertext, OAEP)
        except ValueError as error:
            raise DecryptError("not encrypted to this key") from error
