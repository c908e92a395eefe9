"""COSE_Sign1 as FDO uses it.

Signatures are checked over the received payload and protected header; what
the header claims must agree with the key. Source: RFC 8152; FDO 1.1, 3.3.4.
"""

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Self

from cbor2 import CBORTag

from ownership_vouchers import cbor
from ownership_vouchers.algorithms import Alg, Signer, VerifyKey, verify
from ownership_vouchers.errors import SignatureError
from ownership_vouchers.values import lean

TAG_SIGN1 = 18
LABEL_ALG = 1
LABEL_CONTENT_TYPE = 3


@lru_cache(maxsize=64)
def _protected(raw: bytes) -> Mapping[object, object]:
    """Decode a protected header; the empty one is the empty byte string."""
    header = cbor.mapping(cbor.decode(raw, max_depth=3)) if raw else {}
    return MappingProxyType(header)


@lean
class Sign1:
    """A COSE_Sign1: ``#6.18([protected, unprotected, payload, signature])``.

    ``protected`` and ``payload`` are the bytes as received, and as signed.
    """

    protected: bytes
    unprotected: Mapping[object, object]
    payload: bytes
    signature: bytes

    @classmethod
    def from_item(cls, item: object, *, tagged: bool = False) -> Self:
        """Raises MalformedError on any other shape; the tag may be left out."""
        inner = cbor.untag(item, TAG_SIGN1, required=tagged)
        protected, unprotected, payload, signature = cbor.array(inner, 4)
        return cls(
            cbor.bstr(protected, limit=1024),
            cbor.mapping(unprotected),
            cbor.bstr(payload),
            cbor.bstr(signature, limit=512),
        )

    @classmethod
    def from_cbor(cls, data: bytes, *, tagged: bool = False) -> Self:
        return cls.from_item(cbor.decode(data), tagged=tagged)

    @property
    def headers(self) -> Mapping[object, object]:
        """The protected header, decoded."""
        return _protected(self.protected)

    @property
    def alg(self) -> Alg:
        """The algorithm claimed. Raises SignatureError if it is none of ours."""
        claimed = self.headers.get(LABEL_ALG)
        try:
            return Alg(cbor.integer(claimed))
        except ValueError as error:
            raise SignatureError(f"algorithm {claimed} is not taken") from error

    def verify(self, key: VerifyKey, prefix: bytes = b"") -> None:
        """Check the signature with ``key``, whose kind decides the algorithm.

        Raises:
            SignatureError: It does not verify, or claims another algorithm.
        """
        data = prefix + _sig_structure(self.protected, self.payload)
        verify(key, self.alg, self.signature, data)

    def to_item(self) -> CBORTag:
        parts = [self.protected, self.unprotected, self.payload, self.signature]
        return CBORTag(TAG_SIGN1, parts)

    def encode(self) -> bytes:
        return cbor.encode(self.to_item())


def sign1(
    signer: Signer,
    payload: bytes,
    unprotected: Mapping[object, object] | None = None,
    content_type: str | None = None,
) -> Sign1:
    """Sign ``payload``; ``content_type`` goes into the protected header."""
    header: dict[int, object] = {LABEL_ALG: int(signer.alg)}
    if content_type is not None:
        header[LABEL_CONTENT_TYPE] = content_type
    protected = cbor.encode(header)
    signature = signer.sign(_sig_structure(protected, payload))
    return Sign1(protected, dict(unprotected or {}), payload, signature)


def _sig_structure(protected: bytes, payload: bytes) -> bytes:
    """Source: RFC 8152, section 4.4; no external data in FDO."""
    return cbor.encode(["Signature1", protected, b"", payload])
