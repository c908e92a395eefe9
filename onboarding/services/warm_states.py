"""States of runs that go on at this replica, kept to spare their decoding."""

from collections import OrderedDict
from threading import Lock

from onboarding.protocol.step import State

KEPT = 512


class WarmStates:
    """What the sealed bytes of a run's row stand for; nothing a run needs.

    An answer is given only for exactly the bytes that were kept with it, so a row
    that another replica moved on is decoded like any other. The least recently used
    go first, and a run that has ended is forgotten.
    """

    def __init__(self, size: int = KEPT) -> None:
        self._size = size
        self._lock = Lock()
        self._kept: OrderedDict[bytes, tuple[bytes, State]] = OrderedDict()

    def __repr__(self) -> str:
        return f"WarmStates({len(self._kept)})"

    def get(self, run_id: bytes, sealed: bytes) -> State | None:
        """Return the state those bytes decode to, if it is at hand."""
        kept = self._kept.get(run_id)
        return kept[1] if kept is not None and kept[0] == sealed else None

    def put(self, run_id: bytes, sealed: bytes, state: State) -> None:
        """Keep what ``sealed`` was made of."""
        with self._lock:
            self._kept[run_id] = (sealed, state)
            self._kept.move_to_end(run_id)
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)

    def drop(self, run_id: bytes) -> None:
        """Forget a run."""
        with self._lock:
            self._kept.pop(run_id, None)
