"""Several verifiers for the one stateless call: asked in turn, left alone when down.

Any verifier can judge any evidence. One that gives no answer costs its timeout once;
the same evidence goes to the next, and the silent one is tried again after a pause that
grows. Where all are silent they are asked all the same: there is nothing better to do.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum, unique
from threading import Lock
from typing import TypeVar

from attestation.keylime.errors import KeylimeUnavailable

FIRST_PAUSE, LONGEST_PAUSE = 5.0, 300.0  # seconds
MAX_VERIFIERS = 64
_ERROR_LIMIT = 300

T = TypeVar("T")


@unique
class Circuit(StrEnum):
    """Whether a verifier is asked."""

    CLOSED = "closed"  # it is
    OPEN = "open"  # not before its pause is over
    HALF_OPEN = "half-open"  # its pause is over: by one call, which decides


@dataclass(frozen=True, slots=True)
class VerifierState:
    """One verifier; ``open_until`` on the pool's clock, 0 where it is not left alone.

    ``failures`` are in a row; ``error`` is the last one, however long ago.
    """

    url: str
    answered: int = 0
    failures: int = 0
    open_until: float = 0.0
    error: str = ""
    probing: bool = False

    def circuit(self, now: float) -> Circuit:
        if not self.failures:
            return Circuit.CLOSED
        return Circuit.OPEN if now < self.open_until else Circuit.HALF_OPEN


class VerifierPool:
    """Calls to verifiers in turn; safe in any thread. Each process has its own view.

    Args:
        urls: Where they answer, one at least.
        clock: Seconds, never going back.
    """

    def __init__(
        self, urls: Sequence[str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        if not 0 < len(urls) <= MAX_VERIFIERS or len(set(urls)) != len(urls):
            raise ValueError(f"1 to {MAX_VERIFIERS} verifiers, none of them twice")
        self._clock = clock
        self._lock = Lock()
        self._states = [VerifierState(url) for url in urls]
        self._turn = 0

    def ask(self, call: Callable[[str], T]) -> T:
        """Have one verifier answer; one that is unavailable is followed by the next.

        Raises:
            KeylimeUnavailable: None answered; the last one's error.
            Whatever else ``call`` raises: that is an answer, and not asked for twice.
        """
        error: KeylimeUnavailable | None = None
        for place in self._order():
            try:
                found = call(self._states[place].url)
            except KeylimeUnavailable as unavailable:
                error = unavailable
                self._failed(place, str(unavailable))
            except Exception:
                self._answered(place)
                raise
            else:
                self._answered(place)
                return found
        raise error or KeylimeUnavailable("no verifier could be asked")

    def states(self) -> tuple[VerifierState, ...]:
        """Each verifier as it is now."""
        with self._lock:
            return tuple(self._states)

    def now(self) -> float:
        """The pool's clock, which ``open_until`` is of."""
        return self._clock()

    def _order(self) -> list[int]:
        """Places to try, each once, from the turn on; last those left alone now.

        One whose pause is over is tried only where it is the first, by one call.
        """
        first: list[int] = []
        left: list[int] = []
        with self._lock:
            count, now = len(self._states), self._clock()
            begin = self._turn
            for place in (*range(begin, count), *range(begin)):
                state = self._states[place]
                circuit = state.circuit(now)
                if circuit is Circuit.HALF_OPEN and not state.probing and not first:
                    self._states[place] = replace(state, probing=True)
                    first.append(place)
                elif circuit is Circuit.CLOSED:
                    first.append(place)
                else:
                    left.append(place)
            self._turn = ((first + left)[0] + 1) % count
        return first + left

    def _answered(self, place: int) -> None:
        with self._lock:
            state = self._states[place]
            self._states[place] = VerifierState(
                state.url, state.answered + 1, error=state.error
            )

    def _failed(self, place: int, error: str) -> None:
        with self._lock:
            state, now = self._states[place], self._clock()
            if state.circuit(now) is Circuit.OPEN:  # by a call that began before
                self._states[place] = replace(state, error=error[:_ERROR_LIMIT])
                return
            pause = min(FIRST_PAUSE * 2 ** min(state.failures, 16), LONGEST_PAUSE)
            self._states[place] = replace(
                state,
                failures=state.failures + 1,
                open_until=now + pause,
                error=error[:_ERROR_LIMIT],
                probing=False,
            )
