"""COSE_Encrypt0 and the AEAD suites that FDO seals with.

Source: RFC 8152, sections 5.2, 5.3, 10.1 and 10.2; FDO 1.1, sections 3.6 and 4.4.
"""

from dataclasses import field
from enum import IntEnum, unique
from functools import lru_cache
from typing import Self

from cbor2 import CBORTag
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM

from ownership_vouchers import cbor
from ownership_vouchers.cose import LABEL_ALG
from ownership_vouchers.errors import DecryptError, MalformedError
from ownership_vouchers.values import lean

TAG_ENCRYPT0 = 16
LABEL_IV = 5
TAG_SIZE = 16  # bytes of every suite's authentication tag
MAX_IV = 16

Keyed = AESGCM | AESCCM
"""A cipher under its key."""


@unique
class Aead(IntEnum):
    """AEAD cipher suites by their COSE identifiers."""

    A128GCM = 1
    A192GCM = 2
    A256GCM = 3
    AES_CCM_64_128_128 = 32
    AES_CCM_64_128_256 = 33

    @property
    def key_size(self) -> int:
        """Key length in bytes."""
        return _SIZES[self][0]

    @property
    def iv_size(self) -> int:
        """IV length in bytes."""
        return _SIZES[self][1]

    @property
    def protected(self) -> bytes:
        """The protected header of every message under this suite."""
        return _PROTECTED[self]

    def of(self, key: bytes) -> Keyed:
        """Return the cipher under ``key``, which has ``key_size`` bytes."""
        if self.iv_size == _GCM_IV:
            return AESGCM(key)
        return AESCCM(key, TAG_SIZE)


_GCM_IV, _CCM_IV = 12, 7
_SIZES = {
    Aead.A128GCM: (16, _GCM_IV),
    Aead.A192GCM: (24, _GCM_IV),
    Aead.A256GCM: (32, _GCM_IV),
    Aead.AES_CCM_64_128_128: (16, _CCM_IV),
    Aead.AES_CCM_64_128_256: (32, _CCM_IV),
}
_PROTECTED = {suite: cbor.encode({LABEL_ALG: int(suite)}) for suite in Aead}


@lean
class Encrypt0:
    """A COSE_Encrypt0: ``#6.16([protected, {5: iv}, ciphertext])``."""

    protected: bytes
    iv: bytes
    ciphertext: bytes = field(repr=False)

    @classmethod
    def from_cbor(cls, data: bytes, iv_size: int = _GCM_IV) -> Self:
        """Raises MalformedError on any other shape; the tag may be left out."""
        inner = cbor.untag(cbor.decode(data), TAG_ENCRYPT0)
        protected, unprotected, ciphertext = cbor.array(inner, 3)
        headers = cbor.mapping(unprotected)
        if len(headers) != 1 or LABEL_IV not in headers:
            raise MalformedError("COSE_Encrypt0 whose one open header is not the IV")
        iv = cbor.bstr(headers[LABEL_IV], iv_size)
        return cls(cbor.bstr(protected, limit=64), iv, cbor.bstr(ciphertext))

    def encode(self) -> bytes:
        parts = [self.protected, {LABEL_IV: self.iv}, self.ciphertext]
        return cbor.encode(CBORTag(TAG_ENCRYPT0, parts))

    def open(self, suite: Aead, cipher: Keyed) -> bytes:
        """Return the plaintext; ``cipher`` is ``suite.of`` the key.

        Raises:
            DecryptError: Another suite than agreed, or the tag does not verify.
        """
        if self.protected != suite.protected or len(self.iv) != suite.iv_size:
            raise DecryptError("the message claims another cipher suite")
        try:
            return cipher.decrypt(self.iv, self.ciphertext, _aad(self.protected))
        except InvalidTag as error:
            raise DecryptError("the message does not decrypt") from error


def encrypt0(suite: Aead, cipher: Keyed, iv: bytes, plaintext: bytes) -> Encrypt0:
    """Encrypt under ``suite``; ``iv`` has its ``iv_size``, and is never used twice."""
    protected = suite.protected
    sealed = cipher.encrypt(iv, plaintext, _aad(protected))
    return Encrypt0(protected, iv, sealed)


@lru_cache(maxsize=8)
def _aad(protected: bytes) -> bytes:
    """Source: RFC 8152, section 5.3."""
    return cbor.encode(["Encrypt0", protected, b""])
