"""Protocol state between two messages, and tokens that were spent.

A device's messages may reach any replica, so a run is a row; a run that is
lost only means that the device starts again, so the row is not fsynced.
"""

from onboarding.store.database import Database
from onboarding.store.direct import Sql

_SPEND = Sql(
    "INSERT INTO spent_1 (token_id, expires) VALUES (?, ?) ON CONFLICT DO NOTHING"
)
_BEGIN = Sql(
    "INSERT INTO runs_1 (run_id, step, sealed, expires, done) "
    "VALUES (?, ?, ?, ?, 0) ON CONFLICT DO NOTHING"
)
_LOAD = Sql(
    "SELECT step, sealed FROM runs_1 WHERE run_id = ? AND expires > ? AND done = 0"
)
_ADVANCE = Sql(
    "UPDATE runs_1 SET step = ?, sealed = ? "
    "WHERE run_id = ? AND step = ? AND expires > ? AND done = 0"
)
_FINISH = Sql(
    "UPDATE runs_1 SET done = 1, sealed = ? WHERE run_id = ? AND step = ? AND done = 0"
)
_PRUNE_RUNS = Sql("DELETE FROM runs_1 WHERE expires <= ?")
_PRUNE_SPENT = Sql("DELETE FROM spent_1 WHERE expires <= ?")
_LIVE = Sql("SELECT COUNT(*) FROM runs_1 WHERE expires > ? AND done = 0")


class RunStore:
    """Runs by id and step; one statement a call, each safe against races.

    Times are seconds since 1970. ``sealed`` is whatever bytes the caller wants
    back: it seals them itself.
    """

    def __init__(self, database: Database) -> None:
        self._direct = database.runs

    def spend(self, token_id: bytes, expires: int) -> bool:
        """Use a token up; False when it was used before.

        The memory of it lasts until ``expires``, when the token is dead anyway.
        """
        return self._direct.count(_SPEND, (token_id, expires)) == 1

    def begin(self, run_id: bytes, step: int, sealed: bytes, expires: int) -> bool:
        """Start a run; False when there is or was one of that id."""
        return self._direct.count(_BEGIN, (run_id, step, sealed, expires)) == 1

    def load(self, run_id: bytes, now: int) -> tuple[int, bytes] | None:
        """The step and sealed state of a live run; None when there is none."""
        row = self._direct.one(_LOAD, (run_id, now))
        return None if row is None else (row[0], row[1])

    def advance(
        self, run_id: bytes, expected_step: int, new_step: int, sealed: bytes, now: int
    ) -> bool:
        """Move a live run on; False when it is not at ``expected_step`` (any more).

        Of two that race, one wins.
        """
        parameters = (new_step, sealed, run_id, expected_step, now)
        return self._direct.count(_ADVANCE, parameters) == 1

    def finish(self, run_id: bytes, expected_step: int) -> bool:
        """End a run; False when it is not at ``expected_step``.

        A tombstone without state stays until the run would have expired, so
        that a late copy of its first message cannot begin it anew.
        """
        return self._direct.count(_FINISH, (b"", run_id, expected_step)) == 1

    def prune(self, now: int) -> int:
        """Forget what expired; return how many rows that were."""
        runs = self._direct.count(_PRUNE_RUNS, (now,))
        return runs + self._direct.count(_PRUNE_SPENT, (now,))

    def live(self, now: int) -> int:
        """How many runs are under way."""
        row = self._direct.one(_LIVE, (now,))
        return 0 if row is None else int(row[0])
