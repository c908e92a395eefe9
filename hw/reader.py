"""A cursor over TPM bytes, or those of a boot's log, that never reads past the end."""

from enum import IntEnum
from typing import Literal, TypeVar

from hw.errors import StructureError

E = TypeVar("E", bound=IntEnum)


class Reader:
    """Takes fields off the front of ``data``; each refusal is a StructureError."""

    def __init__(
        self,
        data: bytes,
        what: str,
        limit: int,
        order: Literal["big", "little"] = "big",
    ) -> None:
        """Refuse input longer than ``limit`` bytes before anything is read.

        A TPM's own structures are big endian, what firmware and kernel log is little.
        """
        if len(data) > limit:
            raise StructureError(f"{what} has {len(data)} bytes, limit {limit}")
        self._data = data
        self._at = 0
        self._what = what
        self._order = order

    @property
    def left(self) -> int:
        """Bytes not taken yet."""
        return len(self._data) - self._at

    def take(self, size: int) -> bytes:
        """The next ``size`` bytes."""
        end = self._at + size
        if end > len(self._data):
            raise StructureError(f"{self._what} ends within a field")
        chunk = self._data[self._at : end]
        self._at = end
        return chunk

    def uint(self, size: int) -> int:
        """An unsigned integer of ``size`` bytes."""
        return int.from_bytes(self.take(size), self._order)

    def sized(self, limit: int) -> bytes:
        """A TPM2B: a 16-bit size, at most ``limit``, and that many bytes."""
        size = self.uint(2)
        if size > limit:
            raise StructureError(f"{self._what}: field of {size} bytes, limit {limit}")
        return self.take(size)

    def member(self, kind: type[E]) -> E:
        """A 16-bit identifier that must be listed in ``kind``."""
        number = self.uint(2)
        try:
            return kind(number)
        except ValueError as error:
            message = f"{self._what}: {kind.__name__} {number:#06x} is not accepted"
            raise StructureError(message) from error

    def end(self) -> None:
        """Refuse bytes left over."""
        if self.left:
            raise StructureError(f"{self._what} has {self.left} bytes too many")
