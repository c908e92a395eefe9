"""A costly answer, shared by those who ask for it at about the same time."""

import time
from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")


class Cached(Generic[T]):
    """Asks at most once in some seconds, one caller at a time; the others get the last.

    Safe in any thread. What ``ask`` raises goes to its caller, and is not kept.
    """

    def __init__(
        self,
        ask: Callable[[], T],
        seconds: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask = ask
        self._seconds = seconds
        self._monotonic = monotonic
        self._lock = Lock()
        self._known: tuple[T, float] | None = None  # the answer, and until when

    def get(self) -> T:
        """Return an answer, at most as old as ``seconds`` and one asking."""
        known = self._known
        if known is not None and self._monotonic() < known[1]:
            return known[0]
        if not self._lock.acquire(blocking=known is None):
            assert known is not None  # noqa: S101 - a blocking acquire succeeds
            return known[0]
        try:
            return self._renewed()
        finally:
            self._lock.release()

    def _renewed(self) -> T:
        known = self._known  # another caller may have asked while we waited
        if known is None or self._monotonic() >= known[1]:
            known = self._ask(), self._monotonic() + self._seconds
            self._known = known
        return known[0]
