"""Who is logged in: sessions of people in the console, by the digest of a secret.

What is stored opens nothing, for it is the SHA-256 of what the browser holds.
"""

from dataclasses import dataclass

from onboarding.store.database import Database
from onboarding.store.direct import Sql

KEPT_PER_KEY = 20

_BEGIN = Sql(
    "INSERT INTO sessions (session, key_id, begun, seen) VALUES (?, ?, ?, ?) "
    "ON CONFLICT DO NOTHING"
)
_FIND = Sql("SELECT key_id, begun, seen FROM sessions WHERE session = ?")
_SEEN = Sql("UPDATE sessions SET seen = ? WHERE session = ? AND seen < ?")
_END = Sql("DELETE FROM sessions WHERE session = ?")
_PRUNE = Sql("DELETE FROM sessions WHERE begun <= ? OR seen <= ?")
_FEWER = Sql(
    "DELETE FROM sessions WHERE key_id = ? AND session NOT IN (SELECT session "
    "FROM sessions WHERE key_id = ? ORDER BY seen DESC, session LIMIT ?)"
)


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """One session: whose API key opened it, when, and when it was used last."""

    key_id: str
    begun: int
    seen: int


class SessionStore:
    """Sessions by digest. Times are seconds since 1970."""

    def __init__(self, database: Database) -> None:
        self._direct = database.direct

    def begin(self, digest: bytes, key_id: str, now: int) -> None:
        """Open a session; of those of one key, the newest 20 stay."""
        with self._direct.transaction() as connection:
            connection.count(_BEGIN, (digest, key_id, now, now))
            connection.count(_FEWER, (key_id, key_id, KEPT_PER_KEY))

    def find(self, digest: bytes) -> SessionRecord | None:
        """The session; None when there is none, or it was ended."""
        row = self._direct.one(_FIND, (digest,))
        return None if row is None else SessionRecord(*row)

    def used(self, digest: bytes, now: int) -> None:
        """Note that the session was used."""
        self._direct.count(_SEEN, (now, digest, now))

    def end(self, digest: bytes) -> None:
        """Close a session, wherever its secret was copied to."""
        self._direct.count(_END, (digest,))

    def prune(self, begun_before: int, seen_before: int) -> int:
        """Forget sessions begun, or used last, no later than that."""
        return self._direct.count(_PRUNE, (begun_before, seen_before))
