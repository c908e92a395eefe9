"""Keys in a token or a TPM, behind the interfaces of ``cryptography``.

So whatever signs with a key, certificates among it, does so with these. Nothing here
gives out a private key: not even its size comes from what holds it. What a key is for
is tried before it is used, so a holder that cannot do it is refused when configured.
"""

from contextlib import AbstractContextManager
from typing import NoReturn, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.padding import AsymmetricPadding
from cryptography.hazmat.primitives.asymmetric.utils import (
    Prehashed,
    encode_dss_signature,
)

from onboarding.services.errors import CustodyError
from onboarding.services.key_material import KeyAlgorithm
from ownership_vouchers.algorithms import OAEP, SoftSigner, VerifyKey, verify
from ownership_vouchers.errors import SignatureError

_TRIED = b"Vouchgate tries whether this key works"


class Operations(Protocol):
    """What a holder does with one of its keys; each raises CustodyError."""

    def ecdsa(self, digest: bytes) -> bytes:
        """Sign a digest; ``r || s``."""

    def rsa_sign(self, data: bytes, hash_name: str, *, pss: bool) -> bytes:
        """Hash ``data`` by ``sha256`` or ``sha384``, and sign it."""

    def oaep(self, ciphertext: bytes) -> bytes:
        """Open RSA-OAEP with SHA-256. Raises ValueError: not encrypted to it."""


class _Kept:
    """What no holder gives."""

    def private_numbers(self) -> NoReturn:
        raise CustodyError("the private key stays where it is")

    def private_bytes(self, *_args: object, **_named: object) -> NoReturn:
        raise CustodyError("the private key stays where it is")

    def exchange(self, *_args: object) -> NoReturn:
        raise CustodyError("this key signs; it agrees on no secrets")


class HeldEcKey(_Kept, ec.EllipticCurvePrivateKey):
    """A P-256 or P-384 key elsewhere; ``uri`` names it, as in ``KeyInfo``."""

    def __init__(
        self, uri: str, public: ec.EllipticCurvePublicKey, holder: Operations
    ) -> None:
        self.uri = uri
        self._public = public
        self._holder = holder

    def __repr__(self) -> str:
        return f"HeldEcKey({self.uri!r})"

    def __copy__(self) -> "HeldEcKey":
        return self

    def __deepcopy__(self, _memo: object) -> "HeldEcKey":
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
            raise CustodyError("data is hashed where it is signed")
        digest = hashes.Hash(algorithm)
        digest.update(data)
        raw = self._holder.ecdsa(digest.finalize())
        half = len(raw) // 2
        r, s = raw[:half], raw[half:]
        return encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))


class HeldRsaKey(_Kept, rsa.RSAPrivateKey):
    """An RSA key elsewhere.

    Args:
        why_not: Why it does not decrypt there; None when it does.
    """

    def __init__(
        self,
        uri: str,
        public: rsa.RSAPublicKey,
        holder: Operations,
        why_not: str | None = None,
    ) -> None:
        self.uri = uri
        self.why_not = why_not
        self._public = public
        self._holder = holder

    def __repr__(self) -> str:
        return f"HeldRsaKey({self.uri!r})"

    def __copy__(self) -> "HeldRsaKey":
        return self

    def __deepcopy__(self, _memo: object) -> "HeldRsaKey":
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
            raise CustodyError("RSA keys of FDO sign over SHA-256 or SHA-384")
        return self._holder.rsa_sign(data, algorithm.name, pss=_is_pss(padding))

    def decrypt(self, ciphertext: bytes, padding: AsymmetricPadding) -> bytes:
        """Open what a device encrypted. Raises ValueError, CustodyError."""
        if padding is not OAEP or self.why_not is not None:
            raise CustodyError(self.why_not or "only RSA-OAEP with SHA-256 is opened")
        return self._holder.oaep(ciphertext)


def _is_pss(given: AsymmetricPadding) -> bool:
    return isinstance(given, padding.PSS)


HeldKey = HeldEcKey | HeldRsaKey


class Holder(Protocol):
    """What makes keys and uses them, and gives none out. Safe in any thread."""

    def new_key(
        self, name: str, algorithm: KeyAlgorithm, *, decrypts: bool
    ) -> AbstractContextManager[tuple[HeldKey, bytes]]:
        """Make a key that stays if the block ends well, and goes if it does not.

        Args:
            name: What it is called there, if it is called anything.
            decrypts: It may decrypt, besides signing.

        Returns:
            The key, and what its file has to keep so that it is found again.

        Raises:
            CustodyError: It cannot be made there, or cannot do what it is for.
        """

    def key(
        self, uri: str, kept: bytes, public: VerifyKey, algorithm: KeyAlgorithm
    ) -> HeldKey:
        """Return a key after it has signed and decrypted a trial.

        Args:
            kept: As ``new_key`` gave it.
            public: The public half that it must have.

        Raises:
            CustodyError: It is not there, is another, or cannot sign as it must.
        """

    def check(self) -> None:
        """Raises CustodyError: it does not answer, so no key of it signs."""


def tried(
    uri: str, public: VerifyKey, algorithm: KeyAlgorithm, operations: Operations
) -> HeldKey:
    """Return the key that ``operations`` are of; see ``Holder.key``."""
    if isinstance(public, ec.EllipticCurvePublicKey):
        key: HeldKey = HeldEcKey(uri, public, operations)
    else:
        key = HeldRsaKey(uri, public, operations, _why_not(operations, public))
    signer = SoftSigner(key, pss=algorithm.pss)
    try:
        verify(public, signer.alg, signer.sign(_TRIED), _TRIED)
    except (SignatureError, InvalidSignature) as error:
        odd = ", or salts PSS unlike FDO" if algorithm.pss else ""
        raise CustodyError(f"{uri} is another key than the file says{odd}") from error
    except CustodyError as error:
        kind = signer.alg.name
        raise CustodyError(f"{uri} cannot sign as {kind}: {error}") from error
    return key


def _why_not(operations: Operations, public: rsa.RSAPublicKey) -> str | None:
    """Why an RSA key does not decrypt where it is: found by trying."""
    try:
        opened = operations.oaep(public.encrypt(_TRIED, OAEP))
    except (CustodyError, ValueError) as error:
        return f"RSA-OAEP with SHA-256: {error}"
    return None if opened == _TRIED else "RSA-OAEP with SHA-256 opens something else"
