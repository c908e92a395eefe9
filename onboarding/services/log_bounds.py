"""Lines that others can cause are bounded in number: the rest of them are counted.

Of each kind, of refusals or of an outage, some lines are written for each source, and
some more than that for all of them together; what was left out is told in one line when
the window is over.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

SECONDS = 60.0  # of a window, from its first line on
OF_SOURCE = 5  # lines of one kind by one address
OF_ALL = 100  # lines of one kind in all
KINDS = 64  # kinds at a time; they are codes of ours, and fewer


@dataclass(slots=True)
class _Window:
    began: float
    written: Counter[str] = field(default_factory=Counter)
    left_out: int = 0


class Bounds:
    """Which lines are written. One thread at a time.

    Args:
        clock: Seconds that never go back, as ``time.monotonic``.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._windows: dict[str, _Window] = {}

    def admit(self, kind: str, source: str) -> bool:
        """Whether a line of that kind, caused by ``source``, is to be written."""
        window = self._windows.get(kind)
        if window is None:
            if len(self._windows) >= KINDS:
                kind = "other kinds"
            window = self._windows.setdefault(kind, _Window(self._clock()))
        few = window.written[source] < OF_SOURCE
        if few and window.written.total() < OF_ALL:
            window.written[source] += 1
            return True
        window.left_out += 1
        return False

    def over(self, *, all_of_them: bool = False) -> Iterator[str]:
        """End windows that are over, or all; yield what is to be told of each."""
        now = self._clock()
        for kind, window in list(self._windows.items()):
            seconds = now - window.began
            if seconds < SECONDS and not all_of_them:
                continue
            del self._windows[kind]
            if window.left_out:
                yield (
                    f"{window.left_out} more lines of {kind} were left out"
                    f" in {seconds:.0f} s"
                )
