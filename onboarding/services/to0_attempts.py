"""What is kept of a voucher at each of its rendezvous servers, and when to try again.

A registration is renewed at about two thirds of the time it was granted, with
jitter; failures put the next attempt off for longer and longer. Pure but for the
jitter.
"""

import json
import random
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Self

from onboarding.store.tasks import Task

RENEW_AT = 2 / 3
FIRST_PAUSE, LONGEST_PAUSE = 5, 3600  # seconds
LONGEST_WAIT = 600  # seconds, for a lane to a server
ERROR_LIMIT = 300
_JITTER = random.SystemRandom()


@dataclass(frozen=True, slots=True)
class Attempt:
    """How one rendezvous server answered last; times in seconds since 1970.

    ``waits`` counts how often in a row there was no lane to it; nothing was tried
    then. ``due`` is when it is tried next.
    """

    server: str
    at: int = 0
    failures: int = 0  # in a row
    error: str = ""
    granted: int = 0  # seconds
    until: int = 0
    due: int = 0
    waits: int = 0

    @classmethod
    def of(cls, fields: Mapping[str, object]) -> Self:
        return cls(**fields)  # type: ignore[arg-type]

    def result(self, before: "Attempt") -> str:
        """What came of it, in a word; ``waited`` if nothing was tried."""
        if self.waits > before.waits:
            return "waited"
        if self.failures > before.failures:
            return "failed"
        return "left_alone" if self.error else "registered"

    def took(self, granted: int, now: int) -> "Attempt":
        """The server registered the device for ``granted`` seconds."""
        pause = max(FIRST_PAUSE, _jittered(granted * RENEW_AT))
        return Attempt(self.server, now, 0, "", granted, now + granted, now + pause)

    def failed(self, error: str, now: int) -> "Attempt":
        """It was tried, in vain."""
        failures = self.failures + 1
        pause = min(FIRST_PAUSE * 2 ** min(failures, 16), LONGEST_PAUSE)
        return replace(
            self,
            at=now,
            failures=failures,
            error=error[:ERROR_LIMIT],
            due=now + _jittered(pause),
            waits=0,
        )

    def left_alone(self, error: str, until: int, now: int) -> "Attempt":
        """It is not tried before ``until``; and not by all vouchers in one second."""
        spread = _JITTER.uniform(0, max(until - now, FIRST_PAUSE) / 4)
        return replace(self, error=error[:ERROR_LIMIT], due=until + int(spread))

    def had_to_wait(self, now: int) -> "Attempt":
        """There was no lane to it."""
        pause = min(FIRST_PAUSE * 2 ** min(self.waits, 16), LONGEST_WAIT)
        return replace(self, due=now + 1 + _jittered(pause), waits=self.waits + 1)


def attempts_of(task: Task) -> tuple[Attempt, ...]:
    """What is known of a task's rendezvous servers."""
    return tuple(Attempt.of(one) for one in _payload(task)[1])


def is_urged(task: Task) -> bool:
    """Whether somebody wants all servers tried now, whatever came of them before."""
    return _payload(task)[0] != task.generation


def payload_of(task: Task, attempts: Iterable[Attempt]) -> bytes:
    """As ``attempts_of`` reads it, for this very planning of the task."""
    servers = [asdict(one) for one in attempts]
    return json.dumps({"generation": task.generation, "servers": servers}).encode()


def _payload(task: Task) -> tuple[int, list[dict[str, object]]]:
    """The planning that the payload was written for, 0 if unknown; and the servers."""
    found = json.loads(task.payload) if task.payload else []
    if isinstance(found, list):  # as it was written before
        return 0, found
    return int(found["generation"]), list(found["servers"])


def _jittered(seconds: float) -> int:
    return int(seconds * _JITTER.uniform(0.85, 1.0))
