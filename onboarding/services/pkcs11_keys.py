"""Keys in a PKCS#11 token, behind the interfaces of ``cryptography``.

So whatever signs with a key, certificates among it, does so with these. Nothing here
gives out a private key: not even its size comes from the token.
"""

from typing import NoReturn, Protocol

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.padding import AsymmetricPadding
from cryptography.hazmat.primitives.asymmetric.utils import (
    Prehashed,
    encode_dss_signature,
)

from onboarding.services.errors import TokenError
from ownership_vouchers.algorithms import OAEP


class Operations(Protocol):
    """What a token does with one of its keys; each raises TokenError."""

    def ecdsa(self, digest: bytes) -> bytes:
        """Sign a digest; ``r || s``."""

    def rsa_sign(self, data: bytes, hash_name: str, *, pss: bool) -> bytes:
        """Hash ``data`` by ``sha256`` or ``sha384``, and sign it."""

    def oaep(self, ciphertext: bytes) -> bytes:
        """Open RSA-OAEP with SHA-256. Raises ValueError: not encrypted to it."""


class _Kept:
    """What no token gives."""

    def private_numbers(self) -> NoReturn:
        raise TokenError("the private key stays in its token")

    def private_bytes(self, *_args: object, **_named: object) -> NoReturn:
        raise TokenError("the private key stays in its token")

    def exchange(self, *_args: object) -> NoReturn:
        raise TokenError("this key signs; it agrees on no secrets")


class TokenEcKey(_Kept, ec.EllipticCurvePrivateKey):
    """A P-256 or P-384 key in a token; ``uri`` names it (RFC 7512)."""

    def __init__(
        self, uri: str, public: ec.EllipticCurvePublicKey, token: Operations
    ) -> None:
        self.uri = uri
        self._public = public
        self._token = token

    def __repr__(self) -> str:
        return f"TokenEcKey({self.uri!r})"

    def __copy__(self) -> "TokenEcKey":
        return self

    def __deepcopy__(self, _memo: object) -> "TokenEcKey":
        return self

    @property
    def curve(self) -> ec.EllipticCurve:
        return self._public.curve

    @property
    def key_size(self) -> int:
        return self._public.key_size

    def public_key(self) -> ec.EllipticCurvePublicKey:
        return self._public

    def sign(
        self,
        data: bytes | bytearray | memoryview,
        signature_algorithm: ec.EllipticCurveSignatureAlgorithm,
    ) -> bytes:
        """Sign ``data``, not yet hashed; DER."""
        algorithm = signature_algorithm.algorithm
        if isinstance(algorithm, Prehashed):
            raise TokenError("data is hashed where it is signed")
        digest = hashes.Hash(algorithm)
        digest.update(data)
        raw = self._token.ecdsa(digest.finalize())
        half = len(raw) // 2
        r, s = raw[:half], raw[half:]
        return encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))


class TokenRsaKey(_Kept, rsa.RSAPrivateKey):
    """An RSA key in a token.

    Args:
        why_not: Why it does not decrypt there; None when it does.
    """

    def __init__(
        self,
        uri: str,
        public: rsa.RSAPublicKey,
        token: Operations,
        why_not: str | None = None,
    ) -> None:
        self.uri = uri
        self.why_not = why_not
        self._public = public
        self._token = token

    def __repr__(self) -> str:
        return f"TokenRsaKey({self.uri!r})"

    def __copy__(self) -> "TokenRsaKey":
        return self

    def __deepcopy__(self, _memo: object) -> "TokenRsaKey":
        return self

    @property
    def decrypts(self) -> bool:
        return self.why_not is None

    @property
    def key_size(self) -> int:
        return self._public.key_size

    def public_key(self) -> rsa.RSAPublicKey:
        return self._public

    def sign(
        self,
        data: bytes,
        padding: AsymmetricPadding,
        algorithm: Prehashed | hashes.HashAlgorithm | object,
    ) -> bytes:
        """Sign ``data``, not yet hashed; PSS has a salt as long as the hash."""
        if not isinstance(algorithm, hashes.SHA256 | hashes.SHA384):
            raise TokenError("RSA keys of FDO sign over SHA-256 or SHA-384")
        return self._token.rsa_sign(data, algorithm.name, pss=_is_pss(padding))

    def decrypt(self, ciphertext: bytes, padding: AsymmetricPadding) -> bytes:
        """Open what a device encrypted. Raises ValueError, TokenError."""
        if padding is not OAEP or self.why_not is not None:
            raise TokenError(self.why_not or "only RSA-OAEP with SHA-256 is opened")
        return self._token.oaep(ciphertext)


def _is_pss(given: AsymmetricPadding) -> bool:
    return isinstance(given, padding.PSS)


TokenKey = TokenEcKey | TokenRsaKey
