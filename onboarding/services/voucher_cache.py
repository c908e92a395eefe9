"""Parsed vouchers, kept for as long as their bytes do not change."""

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")

USUAL = 64 * 1024  # bytes that a voucher hardly ever has


class VoucherCache(Generic[T]):
    """A bounded map from (GUID, digest of the bytes) to what parsing them gave.

    A replica that replaced the voucher changed its bytes, so a stale answer
    cannot be given; the least recently used ones go first. Long ones count for as many
    as their bytes are of usual ones.

    Args:
        size: How many vouchers of at most ``USUAL`` bytes there is room for.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._lock = Lock()
        self._kept: OrderedDict[tuple[bytes, bytes], tuple[T, int]] = OrderedDict()
        self._taken = 0

    def get(self, guid: bytes, digest: bytes, length: int, parse: Callable[[], T]) -> T:
        """Return what is kept, or what ``parse`` returns, keeping it.

        Args:
            length: The voucher's, in bytes.
        """
        key = (guid, digest)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key][0]
        made, places = parse(), max(1, -(-length // USUAL))
        with self._lock:
            if places <= self._size and key not in self._kept:
                self._kept[key] = made, places
                self._taken += places
            while self._taken > self._size:
                self._taken -= self._kept.popitem(last=False)[1][1]
        return made

    def __len__(self) -> int:
        return len(self._kept)
