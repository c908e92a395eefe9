"""How often somebody may come: token buckets, in the memory of one replica.

A bucket holds up to ``burst`` requests and fills by ``per_second``. What is kept is
bounded; a bucket that had to be forgotten is full when it is asked for again, so
the bound can be too kind and never too strict.
"""

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

MOST = 50_000  # buckets kept, some 10 MB


@dataclass(frozen=True, slots=True)
class Rate:
    """``per_second`` in the long run, ``burst`` at once; 0 a second is no bound."""

    per_second: float
    burst: int


class Buckets:
    """One bucket for each name. Safe in any thread.

    Args:
        clock: Seconds that never go back, as ``time.monotonic``.
    """

    def __init__(
        self, rate: Rate, clock: Callable[[], float], most: int = MOST
    ) -> None:
        self._rate = rate
        self._clock = clock
        self._most = most
        self._held: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = Lock()

    def take(self, name: str) -> int:
        """Take one; return 0, or the seconds after which there is one again.

        Who is refused is not charged, so that coming too early costs nothing.
        """
        if self._rate.per_second <= 0:
            return 0
        with self._lock:
            now = self._clock()
            level = self._level(name, now)
            if level < 1:
                return max(1, math.ceil((1 - level) / self._rate.per_second))
            self._held[name] = (level - 1, now)
            self._held.move_to_end(name)
            if len(self._held) > self._most:
                self._held.popitem(last=False)
        return 0

    def _level(self, name: str, now: float) -> float:
        full = float(self._rate.burst)
        held, at = self._held.get(name, (full, now))
        return min(full, held + (now - at) * self._rate.per_second)
