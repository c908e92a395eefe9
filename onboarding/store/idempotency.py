"""Answers to requests that may come twice, by API key and the name of the request.

A row is claimed before the work begins, so that of two copies one does it. What is
kept of an answer is sealed by who keeps it; here it is bytes.
"""

from dataclasses import dataclass, field

from onboarding.store.database import Database
from onboarding.store.direct import Sql

_CLAIM = Sql(
    "INSERT INTO idempotency (key_id, name, request, at, answer) "
    "VALUES (?, ?, ?, ?, NULL) ON CONFLICT (key_id, name) DO UPDATE SET "
    "request = excluded.request, at = excluded.at, answer = NULL "
    "WHERE idempotency.at <= ? "
    "OR (idempotency.answer IS NULL AND idempotency.at <= ?)"
)
_GET = Sql("SELECT request, answer FROM idempotency WHERE key_id = ? AND name = ?")
_KEEP = Sql(
    "UPDATE idempotency SET answer = ? WHERE key_id = ? AND name = ? AND at = ? "
    "AND answer IS NULL"
)
_DROP = Sql(
    "DELETE FROM idempotency WHERE key_id = ? AND name = ? AND at = ? "
    "AND answer IS NULL"
)
_PRUNE = Sql("DELETE FROM idempotency WHERE at <= ?")


@dataclass(frozen=True, slots=True)
class Known:
    """A request that came before; ``answer`` is None while it is worked on."""

    request: bytes
    answer: bytes | None = field(repr=False)


class IdempotencyStore:
    """Requests by name. Times are seconds since 1970.

    Args:
        keep: Seconds an answer is kept.
        work: Seconds after which a request that has no answer is taken for lost.
    """

    def __init__(self, database: Database, keep: int = 86400, work: int = 600) -> None:
        self._direct = database.direct
        self._keep = keep
        self._work = work

    def claim(self, key_id: str, name: str, request: bytes, now: int) -> Known | None:
        """Begin a request; what is known of it instead, if it came before."""
        lost = now - self._keep, now - self._work
        if self._direct.count(_CLAIM, (key_id, name, request, now, *lost)):
            return None
        row = self._direct.one(_GET, (key_id, name))
        # Dropped between the two statements: whoever asks again may have it.
        return Known(request, None) if row is None else Known(*row)

    def answered(self, key_id: str, name: str, claimed_at: int, answer: bytes) -> None:
        """Keep the answer, unless the claim was lost to another meanwhile."""
        self._direct.count(_KEEP, (answer, key_id, name, claimed_at))

    def drop(self, key_id: str, name: str, claimed_at: int) -> None:
        """Let the request be made anew: it changed nothing."""
        self._direct.count(_DROP, (key_id, name, claimed_at))

    def prune(self, now: int) -> int:
        """Forget answers that were kept long enough."""
        return self._direct.count(_PRUNE, (now - self._keep,))
