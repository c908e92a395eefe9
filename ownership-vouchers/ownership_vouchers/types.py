"""The small values every FDO structure is made of."""

import hashlib
import hmac
import uuid
from dataclasses import dataclass
from enum import IntEnum, unique
from typing import Self

from ownership_vouchers.cbor import array, bstr, integer
from ownership_vouchers.errors import MalformedError
from ownership_vouchers.values import lean

NONCE_SIZE = 16


@dataclass(frozen=True, slots=True, order=True)
class Guid:
    """A device's GUID: 16 raw bytes on the wire, dashed only for people."""

    raw: bytes

    def __post_init__(self) -> None:
        if len(self.raw) != 16:
            raise MalformedError(f"GUID has {len(self.raw)} bytes, not 16")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the dashed or plain hexadecimal form.

        Raises:
            MalformedError: Anything but 32 hexadecimal digits.
        """
        try:
            return cls(uuid.UUID(text).bytes)
        except ValueError as error:
            raise MalformedError("GUID is not 32 hexadecimal digits") from error

    @property
    def hex(self) -> str:
        return self.raw.hex()

    def __str__(self) -> str:
        return str(uuid.UUID(bytes=self.raw))


@unique
class HashType(IntEnum):
    """Hash and HMAC identifiers. Source: FDO 1.1, section 3.3.2."""

    SHA256 = -16
    SHA384 = -43
    HMAC_SHA256 = 5
    HMAC_SHA384 = 6

    @property
    def size(self) -> int:
        """Length of the value in bytes."""
        return 32 if self in (HashType.SHA256, HashType.HMAC_SHA256) else 48

    @property
    def is_mac(self) -> bool:
        return self in (HashType.HMAC_SHA256, HashType.HMAC_SHA384)

    @property
    def digest_name(self) -> str:
        """The name `hashlib` knows the underlying hash by."""
        return "sha256" if self.size == 32 else "sha384"

    @property
    def plain(self) -> "HashType":
        """The hash of the same strength: SHA256 for HMAC_SHA256."""
        return HashType.SHA256 if self.size == 32 else HashType.SHA384

    @property
    def keyed(self) -> "HashType":
        """The HMAC of the same strength: HMAC_SHA256 for SHA256."""
        return HashType.HMAC_SHA256 if self.size == 32 else HashType.HMAC_SHA384


@lean
class Hash:
    """A hash or HMAC beside the identifier of its algorithm.

    Source: FDO 1.1, section 3.3.2 (``Hash``, ``HMac``).
    """

    type: HashType
    value: bytes

    def __post_init__(self) -> None:
        if len(self.value) != self.type.size:
            raise MalformedError(
                f"{self.type.name} value has {len(self.value)} bytes,"
                f" not {self.type.size}"
            )

    @classmethod
    def from_item(cls, item: object) -> Self:
        """Raises MalformedError on any shape but ``[type, bstr]``."""
        kind, value = array(item, 2)
        try:
            return cls(HashType(integer(kind)), bstr(value, limit=48))
        except ValueError as error:
            raise MalformedError("unknown hash type") from error

    @classmethod
    def of(cls, kind: HashType, *chunks: bytes) -> Self:
        """Hash the concatenation of ``chunks``."""
        plain = kind.plain
        digest = hashlib.sha256() if plain is HashType.SHA256 else hashlib.sha384()
        for chunk in chunks:
            digest.update(chunk)
        return cls(plain, digest.digest())

    @classmethod
    def mac(cls, kind: HashType, secret: bytes, data: bytes) -> Self:
        """HMAC ``data`` under ``secret`` (any length)."""
        value = hmac.digest(secret, data, kind.digest_name)
        return cls(kind.keyed, value)

    def same(self, other: "Hash") -> bool:
        """Compare type and value, the value in constant time."""
        return self.type is other.type and hmac.compare_digest(self.value, other.value)

    def to_item(self) -> list[object]:
        return [int(self.type), self.value]
