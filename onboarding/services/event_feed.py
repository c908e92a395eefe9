"""The audit log as it grows, for whoever watches; any replica's events, on any replica.

However many watch, the log's head is looked at once in a while. A watcher says from
which event on, and gets each one after it, in order, none twice.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from threading import Lock

from onboarding.services.cached import Cached
from onboarding.services.context import Context
from onboarding.services.errors import Problem
from onboarding.store.device_filter import Labels
from onboarding.store.events import LoggedEvent

LOOK_SECONDS = 0.5
CATCH_UP_SECONDS = 0.05  # between two batches of what happened already
QUIET_SECONDS = 15.0  # after which a watcher is told that it is still connected
STALLED_SECONDS = 60.0  # after which a watcher who takes nothing loses the place
MOST = 64  # who watch one replica
_BATCH = 100


class EventFeed:
    """What watchers of one replica share."""

    def __init__(self, context: Context) -> None:
        self._events = context.stores.events
        self._head = Cached(self._events.head, LOOK_SECONDS)
        self._most = MOST
        self._watching = 0
        self._lock = Lock()

    def enter(self) -> None:
        """Take one of the places. Raises Problem."""
        with self._lock:
            if self._watching >= self._most:
                raise Problem(
                    429,
                    "too-many-streams",
                    f"{self._most} watch this service already.",
                    remedy="Ask another replica, or read GET /api/v1/events.",
                    extra={"retry_after": int(QUIET_SECONDS)},
                )
            self._watching += 1

    def leave(self) -> None:
        """Give the place back."""
        with self._lock:
            self._watching -= 1

    def head(self) -> int:
        """The number of the newest event, as far as was looked."""
        return self._head.get()

    async def after(
        self,
        seq: int,
        goes_on: Callable[[], bool],
        still_may: Callable[[], None],
        within: Labels = (),
        cause: str = "",
    ) -> AsyncIterator[LoggedEvent | None]:
        """Each event after ``seq``, and None now and then while there is none to tell.

        Args:
            goes_on: Asked at each look; False ends it.
            still_may: Called now and then; what it raises ends it, too.
            within: Only events of devices that have all these labels by then.
            cause: Only events whose cause is or begins with it.
        """
        quiet = busy = 0.0
        while goes_on():
            if busy >= QUIET_SECONDS:
                await asyncio.to_thread(still_may)
                busy = 0.0
            found: tuple[LoggedEvent, ...] = ()
            head = await asyncio.to_thread(self.head)
            if head > seq:
                found = await asyncio.to_thread(self._events.after, seq, _BATCH, within)
                for event in found:
                    seq = event.seq
                    if event.cause.startswith(cause):
                        yield event
                        quiet = 0.0
                if len(found) < _BATCH:  # the others up to there are not for this one
                    seq = max(seq, head)
            if quiet >= QUIET_SECONDS:
                yield None
                quiet = 0.0
            behind = len(found) == _BATCH
            await asyncio.sleep(CATCH_UP_SECONDS if behind else LOOK_SECONDS)
            quiet, busy = quiet + LOOK_SECONDS, busy + LOOK_SECONDS
