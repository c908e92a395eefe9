"""Runs as rows of PostgreSQL, for replicas on any number of machines: see ``runs``."""

from onboarding.store.direct import Direct, Sql

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


class TableRuns:
    """``RunStore`` in unlogged tables, one statement a call."""

    def __init__(self, direct: Direct) -> None:
        self._direct = direct

    def spend(self, token_id: bytes, expires: int) -> bool:
        return self._direct.count(_SPEND, (token_id, expires)) == 1

    def begin(self, run_id: bytes, step: int, sealed: bytes, expires: int) -> bool:
        return self._direct.count(_BEGIN, (run_id, step, sealed, expires)) == 1

    def load(self, run_id: bytes, now: int) -> tuple[int, bytes] | None:
        row = self._direct.one(_LOAD, (run_id, now))
        return None if row is None else (row[0], row[1])

    def advance(
        self, run_id: bytes, expected_step: int, new_step: int, sealed: bytes, now: int
    ) -> bool:
        parameters = (new_step, sealed, run_id, expected_step, now)
        return self._direct.count(_ADVANCE, parameters) == 1

    def finish(self, run_id: bytes, expected_step: int) -> bool:
        return self._direct.count(_FINISH, (b"", run_id, expected_step)) == 1

    def prune(self, now: int) -> int:
        runs = self._direct.count(_PRUNE_RUNS, (now,))
        return runs + self._direct.count(_PRUNE_SPENT, (now,))

    def live(self, now: int) -> int:
        row = self._direct.one(_LIVE, (now,))
        return 0 if row is None else int(row[0])
