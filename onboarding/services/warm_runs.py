"""Runs that go on at this replica, kept to spare reading and decoding their rows."""

import hashlib
from collections import OrderedDict
from dataclasses import field
from threading import Lock

from onboarding.protocol.step import State
from ownership_vouchers.values import lean

KEPT = 512
FAILED_KEPT = 4096


@lean
class Run:
    """Where a run stands: ``step`` is None as long as it is in the token only.

    ``key`` names it in memory, ``token_id`` in the store; ``expires`` is when its
    token does, in seconds since 1970.
    """

    key: bytes = field(repr=False)
    token_id: bytes
    state: State = field(repr=False)
    step: int | None
    expires: int


class WarmRuns:
    """Where each run stood when it was last moved on here; nothing a run needs.

    A run is found by the whole of a token that was sealed or opened here. What is
    kept may be older than the row, when another replica moved the run: who uses it
    moves the row by compare-and-swap, and reads it when that fails or the step
    refuses.
    The least recently moved go first, and a run that has ended is forgotten.
    """

    def __init__(self, size: int = KEPT) -> None:
        self._size = size
        self._lock = Lock()
        self._kept: OrderedDict[bytes, Run] = OrderedDict()

    def __repr__(self) -> str:
        return f"WarmRuns({len(self._kept)})"

    def get(self, key: bytes, now: int) -> Run | None:
        """Return the run of that key, as long as its token is good."""
        run = self._kept.get(key)
        return run if run is not None and now < run.expires else None

    def put(self, run: Run) -> None:
        """Keep where a run stands."""
        with self._lock:
            self._kept[run.key] = run
            self._kept.move_to_end(run.key)
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)

    def drop(self, key: bytes) -> None:
        """Forget a run."""
        with self._lock:
            self._kept.pop(key, None)


class FailedProofs:
    """Runs whose peer tried to prove itself and failed, by the ids of their tokens.

    In memory, and so many at most, of which the oldest go first: a peer that has
    proved nothing is not to fill our disk, nor another replica's time.
    """

    def __init__(self, size: int = FAILED_KEPT) -> None:
        self._size = size
        self._lock = Lock()
        self._kept: OrderedDict[bytes, None] = OrderedDict()

    def __contains__(self, token_id: bytes) -> bool:
        return token_id in self._kept

    def add(self, token_id: bytes) -> None:
        """Remember one."""
        with self._lock:
            self._kept[token_id] = None
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)


def key_of(protocol: str, token: str) -> bytes:
    """Name a run by its protocol and token, without keeping the token itself."""
    text = f"{protocol} {token}".encode("utf-8", "surrogateescape")
    return hashlib.sha256(text).digest()
