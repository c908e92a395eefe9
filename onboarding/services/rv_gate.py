"""Who may try a rendezvous server now, so that none can hold up the others.

In this process each server has a few lanes; one that is slow turns callers away at
once where a quick one has them wait a moment. Across all replicas each has a circuit
breaker (`store.rv_servers`).
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition

from onboarding.services.errors import ServicesError
from onboarding.store.rv_servers import Circuit, RvServerStore

LANES = 4  # attempts at one server at a time
SLOW_SECONDS = 1.0  # from here on nobody waits for a lane
WAIT_SECONDS = 2.0


class Busy(ServicesError):
    """Every lane to the server is taken; nothing was tried."""


class LeftAlone(ServicesError):
    """The server's circuit is open; nothing was tried until ``until``."""

    def __init__(self, error: str, until: int) -> None:
        super().__init__(error)
        self.until = until


class Lanes:
    """Attempts under way, by server; safe in any thread."""

    def __init__(
        self,
        lanes: int = LANES,
        wait: float = WAIT_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lanes = lanes
        self._wait = wait
        self._monotonic = monotonic
        self._taken: dict[str, list[float]] = {}  # when each began
        self._seconds: dict[str, float] = {}  # what the last ones took, smoothed
        self._changed = Condition()

    @contextmanager
    def lane(self, server: str) -> Iterator[None]:
        """Hold a lane to a server for the length of the block. Raises Busy."""
        begun = self._take(server)
        try:
            yield
        finally:
            self._give_back(server, begun)

    def _take(self, server: str) -> float:
        with self._changed:
            self._changed.wait_for(
                lambda: self._free(server) or self._slow(server), self._wait
            )
            if not self._free(server):
                raise Busy(f"{self._lanes} attempts at {server} are under way")
            begun = self._monotonic()
            self._taken.setdefault(server, []).append(begun)
            return begun

    def _give_back(self, server: str, begun: float) -> None:
        with self._changed:
            took = self._monotonic() - begun
            before = self._seconds.get(server, took)
            taken = self._taken[server]
            taken.remove(begun)
            if taken:
                self._seconds[server] = (before + took) / 2
            else:  # nothing is kept of servers that nobody tries
                del self._taken[server]
                self._seconds.pop(server, None)
            self._changed.notify_all()

    def _free(self, server: str) -> bool:
        return len(self._taken.get(server, ())) < self._lanes

    def _slow(self, server: str) -> bool:
        taken = self._taken.get(server)
        oldest = self._monotonic() - min(taken) if taken else 0.0
        return max(oldest, self._seconds.get(server, 0.0)) > SLOW_SECONDS


class RvGate:
    """Lanes and circuit breakers together.

    Args:
        servers: Where circuits are kept, for all replicas.
        now: Seconds since 1970.
    """

    def __init__(
        self, servers: RvServerStore, now: Callable[[], int], lanes: Lanes | None = None
    ) -> None:
        self._servers = servers
        self._now = now
        self._lanes = lanes or Lanes()

    @contextmanager
    def attempt(self, server: str) -> Iterator[None]:
        """Let one attempt through.

        Raises:
            Busy, LeftAlone: Not now.
        """
        with self._lanes.lane(server):
            until = self._servers.admit(server, self._now())
            if until:
                known = self._servers.get(server)
                raise LeftAlone(
                    f"it is left alone for now, after {known.failures} failures in a"
                    f" row: {known.error}",
                    until,
                )
            yield

    def answered(self, server: str) -> None:
        """The server answered, if only with a refusal."""
        self._servers.answered(server, self._now())

    def failed(self, server: str, error: str) -> bool:
        """It did not; return whether it is left alone from now on."""
        now = self._now()
        return self._servers.failed(server, error, now).circuit(now) is Circuit.OPEN
