"""One entry of a voucher: an owner signs the device over to the next.

Source: FDO 1.1, section 3.4.3.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from ownership_vouchers import cbor
from ownership_vouchers.cose import Sign1
from ownership_vouchers.errors import MalformedError
from ownership_vouchers.keys import PublicKey
from ownership_vouchers.types import Hash


@dataclass(frozen=True, slots=True)
class ClaimedHash:
    """A hash as an entry states it: type and length may not even agree.

    That is for ``verify`` to refuse, so that the refusal can name its check.
    """

    type: int
    value: bytes

    @classmethod
    def from_item(cls, item: object) -> Self:
        kind, value = cbor.array(item, 2)
        return cls(cbor.integer(kind), cbor.bstr(value, limit=64))

    def agrees(self, expected: Hash) -> bool:
        return (self.type, self.value) == (expected.type, expected.value)


@dataclass(frozen=True, slots=True)
class Entry:
    """OVEntry: one owner's signature under the next owner's key.

    Source: FDO 1.1, section 3.4.3.
    """

    sign1: Sign1
    prev_hash: ClaimedHash
    header_hash: ClaimedHash
    extra: Mapping[int, bytes] | None
    public_key: PublicKey
    raw: bytes = field(repr=False)

    @classmethod
    def from_cbor(cls, raw: bytes) -> Self:
        """Decode a tagged COSE_Sign1 and the payload in it.

        Raises:
            MalformedError: Another shape, or an unprotected header.
            UnsupportedKeyError: A next owner's key that we do not take.
        """
        return cls.from_part(raw, cbor.decode(raw))

    @classmethod
    def from_part(cls, raw: bytes, item: object) -> Self:
        """As ``from_cbor``, of bytes that ``cbor.parts`` has decoded."""
        sign1 = Sign1.from_item(item, tagged=True)
        if sign1.unprotected:
            raise MalformedError("an entry's unprotected header is not empty")
        parts = cbor.parts(sign1.payload, limit=4)
        if len(parts) != 4:
            raise MalformedError(f"entry payload of {len(parts)} items, not 4")
        (_, prev_hash), (_, header_hash), (_, extra), (key, _) = parts
        return cls(
            sign1,
            ClaimedHash.from_item(prev_hash),
            ClaimedHash.from_item(header_hash),
            _extra(extra),
            PublicKey.from_cbor(key),
            raw,
        )


def _extra(item: object) -> dict[int, bytes] | None:
    """Null, a map in a byte string, or the bare map that one peer writes."""
    if item is None:
        return None
    if isinstance(item, bytes):
        item = cbor.decode(item)
    pairs = cbor.mapping(item)
    return {cbor.integer(key): cbor.bstr(value) for key, value in pairs.items()}
