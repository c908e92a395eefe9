"""CapabilityFlags at the end of messages 10, 20, 30, 31, 60 and 61.

Peers that also speak FDO 2.0 send them under 1.1 as well. They mean nothing there:
we skip them, and never send them. Source: the FDO 2.0 working draft of 2025-06-17.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

from ownership_vouchers import cbor
from ownership_vouchers.errors import MalformedError

MAX_TRAILING = 8
_MAX_FLAGS = 64  # bytes

T = TypeVar("T")


def without_flags(items: Sequence[object], length: int) -> Sequence[object]:
    """Return the first ``length`` items if nothing but flags come after them.

    ``Flags: bstr, ? VendorUnique: [* tstr]``, as items of the message or as one
    array of their own.

    Raises:
        MalformedError: Too few items, or others than flags.
    """
    return _cut(items, length, lambda item: item)


def raw_without_flags(items: Sequence[bytes], length: int) -> Sequence[bytes]:
    """As ``without_flags``, of items that are still encoded."""
    return _cut(items, length, cbor.decode)


def _cut(items: Sequence[T], length: int, value: Callable[[T], object]) -> Sequence[T]:
    if len(items) < length:
        raise MalformedError(f"array of {len(items)} items, not {length}")
    if len(items) > length:
        _check([value(one) for one in items[length : length + MAX_TRAILING + 1]])
    return items[:length]


def _check(trailing: list[object]) -> None:
    if len(trailing) == 1 and isinstance(trailing[0], list | tuple):
        trailing = list(trailing[0])
    if not 0 < len(trailing) <= MAX_TRAILING:
        raise MalformedError(f"{len(trailing)} items where capability flags belong")
    cbor.bstr(trailing[0], limit=_MAX_FLAGS)
