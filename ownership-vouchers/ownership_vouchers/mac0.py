"""Encrypt-then-MAC: a COSE_Mac0 around an Encrypt0 without authentication.

FDO 1.1 leaves these suites to its readers, and no two of them agree. Written and read
here is the dialect of go-fdo, the one that is known to interoperate: the encryption key
comes first, the MAC key is half the length of its hash, and the inner algorithm stands
in the open header. Source: RFC 8152, section 6; FDO 1.1, section 4.4; go-fdo.
"""

import hmac
from dataclasses import dataclass, field
from enum import IntEnum, unique
from typing import Self

from cbor2 import CBORTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from ownership_vouchers import cbor
from ownership_vouchers.cose import LABEL_ALG
from ownership_vouchers.encrypt0 import LABEL_IV
from ownership_vouchers.errors import DecryptError
from ownership_vouchers.types import HashType

TAG_MAC0 = 17
BLOCK = 16  # bytes
_MAX_PROTECTED = 16


@unique
class MacSuite(IntEnum):
    """Suites of two keys, by their FDO identifiers."""

    COSEAES128CBC = -17760703
    COSEAES128CTR = -17760704
    COSEAES256CBC = -17760705
    COSEAES256CTR = -17760706

    @property
    def strong(self) -> bool:
        """Whether this is one of AES-256 with HMAC-SHA384."""
        return self in (MacSuite.COSEAES256CBC, MacSuite.COSEAES256CTR)

    @property
    def chained(self) -> bool:
        """Whether this is CBC, and not CTR."""
        return self in (MacSuite.COSEAES128CBC, MacSuite.COSEAES256CBC)

    @property
    def encryption_key_size(self) -> int:
        """Length of SEK in bytes; SVK, behind it, has the same."""
        return 32 if self.strong else 16

    @property
    def key_size(self) -> int:
        """Length of SEK and SVK together, in bytes."""
        return 2 * self.encryption_key_size

    @property
    def iv_size(self) -> int:
        """IV length in bytes."""
        return BLOCK

    @property
    def mac_type(self) -> HashType:
        return HashType.HMAC_SHA384 if self.strong else HashType.HMAC_SHA256

    @property
    def protected(self) -> bytes:
        """The protected header around every message under this suite."""
        return cbor.encode({LABEL_ALG: int(self.mac_type)})

    @property
    def inner_alg(self) -> int:
        """The algorithm that the inner Encrypt0 names: RFC 9459."""
        return _INNER[self]


_INNER = {
    MacSuite.COSEAES128CTR: -65534,
    MacSuite.COSEAES256CTR: -65532,
    MacSuite.COSEAES128CBC: -65531,
    MacSuite.COSEAES256CBC: -65529,
}


@dataclass(frozen=True, slots=True)
class Mac0:
    """A COSE_Mac0: ``#6.17([protected, {}, payload, tag])``.

    ``payload`` is the encoded ``[h'', {1: alg, 5: iv}, ciphertext]``, as received and
    as authenticated.
    """

    protected: bytes
    payload: bytes = field(repr=False)
    tag: bytes = field(repr=False)

    @classmethod
    def from_cbor(cls, data: bytes) -> Self:
        """Raises MalformedError on any other shape; the tag may be left out."""
        inner = cbor.untag(cbor.decode(data), TAG_MAC0)
        protected, unprotected, payload, tag = cbor.array(inner, 4)
        cbor.mapping(unprotected, limit=0)
        return cls(
            cbor.bstr(protected, limit=_MAX_PROTECTED),
            cbor.bstr(payload),
            cbor.bstr(tag, limit=HashType.HMAC_SHA384.size),
        )

    def encode(self) -> bytes:
        parts = [self.protected, {}, self.payload, self.tag]
        return cbor.encode(CBORTag(TAG_MAC0, parts))

    def open(self, suite: MacSuite, key: bytes) -> bytes:
        """Return the plaintext. Nothing is looked at before the MAC has verified.

        Raises:
            DecryptError: Another suite than agreed, or anything about it is wrong.
            MalformedError: Our peer authenticated what is no Encrypt0.
        """
        if self.protected != suite.protected:
            raise DecryptError("the message claims another cipher suite")
        if not hmac.compare_digest(self.tag, _mac(suite, key, self.payload)):
            raise DecryptError("the message does not decrypt")
        protected, unprotected, ciphertext = cbor.array(cbor.decode(self.payload), 3)
        cbor.bstr(protected, 0)
        headers = cbor.mapping(unprotected)
        if headers.get(LABEL_ALG) != suite.inner_alg or len(headers) != 2:
            raise DecryptError("the message claims another cipher suite")
        iv = cbor.bstr(headers.get(LABEL_IV), suite.iv_size)
        return _decrypted(suite, key, iv, cbor.bstr(ciphertext))


def mac0(suite: MacSuite, key: bytes, iv: bytes, plaintext: bytes) -> Mac0:
    """Encrypt under ``suite``, then authenticate what came of it.

    Args:
        key: SEK and SVK, one after the other.
        iv: 16 bytes, never used twice; for CTR its last four count blocks from 0.
    """
    if suite.chained:
        padder = PKCS7(8 * BLOCK).padder()
        plaintext = padder.update(plaintext) + padder.finalize()
    encryptor = _cipher(suite, key, iv).encryptor()
    ciphertext = encryptor.update(plaintext) + encryptor.finalize()
    headers = {LABEL_ALG: suite.inner_alg, LABEL_IV: iv}
    payload = cbor.encode([b"", headers, ciphertext])
    return Mac0(suite.protected, payload, _mac(suite, key, payload))


def _decrypted(suite: MacSuite, key: bytes, iv: bytes, ciphertext: bytes) -> bytes:
    try:
        decryptor = _cipher(suite, key, iv).decryptor()
        plain = decryptor.update(ciphertext) + decryptor.finalize()
        if not suite.chained:
            return plain
        unpadder = PKCS7(8 * BLOCK).unpadder()
        return unpadder.update(plain) + unpadder.finalize()
    except ValueError as error:
        raise DecryptError("the message does not decrypt") from error


def _cipher(
    suite: MacSuite, key: bytes, iv: bytes
) -> Cipher[modes.CBC] | Cipher[modes.CTR]:
    aes = algorithms.AES(key[: suite.encryption_key_size])
    if suite.chained:
        return Cipher(aes, modes.CBC(iv))
    return Cipher(aes, modes.CTR(iv))


def _mac(suite: MacSuite, key: bytes, payload: bytes) -> bytes:
    """Source: RFC 8152, section 6.3; no external data in FDO."""
    verification_key = key[suite.encryption_key_size :]
    data = cbor.encode(["MAC0", suite.protected, b"", payload])
    return hmac.digest(verification_key, data, suite.mac_type.digest_name)
