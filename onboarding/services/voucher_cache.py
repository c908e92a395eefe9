"""Parsed vouchers, kept for as long as their bytes do not change."""

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")


class VoucherCache(Generic[T]):
    """A bounded map from (GUID, digest of the bytes) to what parsing them gave.

    A replica that replaced the voucher changed its bytes, so a stale answer
    cannot be given; the least recently used ones go first.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._lock = Lock()
        self._kept: OrderedDict[tuple[bytes, bytes], T] = OrderedDict()

    def get(self, guid: bytes, digest: bytes, parse: Callable[[], T]) -> T:
        """Return what is kept, or what ``parse`` returns, keeping it."""
        key = (guid, digest)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        made = parse()
        with self._lock:
            self._kept[key] = made
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)
        return made

    def __len__(self) -> int:
        return len(self._kept)
