"""How often this process refused something, by surface and code."""

from collections import Counter
from threading import Lock


class Tally:
    """Counts; the codes are ours, never a caller's words. Safe in any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: Counter[tuple[str, str]] = Counter()

    def add(self, surface: str, code: str) -> None:
        """Count one refusal."""
        with self._lock:
            self._counts[surface, code] += 1

    def counts(self) -> list[tuple[tuple[str, str], int]]:
        """(surface, code) and how often, in order."""
        with self._lock:
            return sorted(self._counts.items())
