"""A TPM key by what it follows from, so that it can be made again at any time.

A primary key is a function of the TPM's seed and its template. Kind and unique string
say the template, the name says whether what came out is the key that was meant.
"""

from dataclasses import dataclass, field
from typing import Literal, Self

from hw.errors import StructureError
from hw.reader import Reader

Kind = Literal[
    "ecc256:ecdsa-sha256:null",
    "ecc384:ecdsa-sha384:null",
    "rsa2048:rsassa-sha256:null",
    "hmac:sha256",
    "hmac:sha384",
]
_KINDS: dict[int, Kind] = {
    1: "ecc256:ecdsa-sha256:null",
    2: "ecc384:ecdsa-sha384:null",
    3: "rsa2048:rsassa-sha256:null",
    4: "hmac:sha256",
    5: "hmac:sha384",
}
NAME_SIZE = 34  # SHA-256 and its identifier
MAX_REF = 1 + 1 + 64 + NAME_SIZE


def unique_size(kind: Kind) -> int:
    """Bytes of the unique string of a key of that kind."""
    return 32 if kind.startswith("hmac") else 64


@dataclass(frozen=True, slots=True)
class KeyRef:
    """Which key; no secret, for without the TPM's seed nothing follows from it."""

    kind: Kind
    unique: bytes = field(repr=False)
    name: bytes  # as the TPM gives it

    def to_bytes(self) -> bytes:
        """At most MAX_REF bytes, to be kept beside what the key is for."""
        number = next(n for n, kind in _KINDS.items() if kind == self.kind)
        head = bytes([number, len(self.unique)])
        return head + self.unique + self.name

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Raises StructureError on any other shape."""
        reader = Reader(data, "key reference", MAX_REF)
        number, size = reader.uint(1), reader.uint(1)
        if number not in _KINDS or size != unique_size(_KINDS[number]):
            raise StructureError(f"key reference of kind {number}")
        found = cls(_KINDS[number], reader.take(size), reader.take(NAME_SIZE))
        reader.end()
        return found
