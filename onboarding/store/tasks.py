"""Timed work as rows, claimed by whichever replica comes first."""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from onboarding.store.database import Database
from onboarding.store.direct import Connection, Sql
from onboarding.store.errors import InvalidRecord
from onboarding.store.pages import Page, clamp

_ERROR_LIMIT = 500

_ENQUEUE = Sql(
    "INSERT INTO tasks (id, kind, subject, payload, due, generation, attempts, "
    "claimed_until) VALUES (?, ?, ?, ?, ?, 1, 0, 0) "
    "ON CONFLICT (kind, subject) DO UPDATE SET payload = excluded.payload, "
    "due = excluded.due, generation = tasks.generation + 1, attempts = 0, "
    "last_error = NULL"
)
_ADD = Sql(
    "INSERT INTO tasks (id, kind, subject, payload, due, generation, attempts, "
    "claimed_until) VALUES (?, ?, ?, ?, ?, 1, 0, 0) "
    "ON CONFLICT (kind, subject) DO NOTHING"
)
_URGE = Sql(
    "INSERT INTO tasks (id, kind, subject, payload, due, generation, attempts, "
    "claimed_until) VALUES (?, ?, ?, ?, ?, 1, 0, 0) "
    "ON CONFLICT (kind, subject) DO UPDATE SET due = excluded.due, "
    "generation = tasks.generation + 1, attempts = 0"
)
_URGE_ALL = Sql(
    "UPDATE tasks SET due = ?, generation = generation + 1, attempts = 0 WHERE kind = ?"
)
# Materialized: PostgreSQL may run a plain subquery for each row, and skip each time
# what it has locked, which claims more than the limit.
_DUE = (
    "WITH ready AS MATERIALIZED (SELECT id FROM tasks WHERE kind = ? AND due <= ? "
    "AND claimed_until <= ? ORDER BY due, id LIMIT ?{lock}) "
    "UPDATE tasks SET claimed_by = ?, claimed_until = ?, attempts = attempts + 1 "
    "WHERE id IN (SELECT id FROM ready) "
    "RETURNING id, kind, subject, payload, due, generation, attempts, last_error"
)
_CLAIM = Sql(_DUE.format(lock=""))
_CLAIM_SKIPPING = Sql(_DUE.format(lock=" FOR UPDATE SKIP LOCKED"))
_DONE = Sql("DELETE FROM tasks WHERE id = ? AND claimed_by = ? AND generation = ?")
_AGAIN = Sql(
    "UPDATE tasks SET due = ?, claimed_by = NULL, claimed_until = 0, last_error = ?, "
    "payload = COALESCE(?, payload) WHERE id = ? AND claimed_by = ? AND generation = ?"
)
_RELEASE = Sql(
    "UPDATE tasks SET claimed_by = NULL, claimed_until = 0 "
    "WHERE id = ? AND claimed_by = ?"
)
_CANCEL = Sql("DELETE FROM tasks WHERE kind = ? AND subject = ?")
_OF = Sql(
    "SELECT id, kind, subject, payload, due, generation, attempts, last_error "
    "FROM tasks WHERE kind = ? AND subject = ?"
)
_LIST = Sql(
    "SELECT id, kind, subject, payload, due, generation, attempts, last_error "
    "FROM tasks WHERE kind = ? ORDER BY due, id LIMIT 500"
)
_PAGE = Sql(
    "SELECT id, kind, subject, payload, due, generation, attempts, last_error "
    "FROM tasks WHERE kind = ? AND subject > ? ORDER BY subject LIMIT ?"
)
_PAGE_FAILING = Sql(
    "SELECT id, kind, subject, payload, due, generation, attempts, last_error "
    "FROM tasks WHERE kind = ? AND last_error IS NOT NULL AND subject > ? "
    "ORDER BY subject LIMIT ?"
)
_BACKLOG = Sql(
    "SELECT COUNT(*), COALESCE(SUM(CASE WHEN due <= ? THEN 1 ELSE 0 END), 0), "
    "COUNT(last_error) FROM tasks WHERE kind = ?"
)


@dataclass(frozen=True, slots=True)
class Backlog:
    """How many tasks of a kind there are, are due, and failed last time."""

    planned: int
    due: int
    failing: int


@dataclass(frozen=True, slots=True)
class Task:
    """Something to do at ``due`` (seconds since 1970), at least once.

    ``attempts`` counts claims, this one included.
    """

    id: bytes
    kind: str
    subject: str
    payload: bytes = field(repr=False)
    due: int
    generation: int
    attempts: int
    last_error: str | None


class TaskStore:
    """At most one task per kind and subject; claims run out, tasks do not."""

    def __init__(self, database: Database) -> None:
        self._direct = database.direct
        self._claim = _CLAIM_SKIPPING if database.is_postgres else _CLAIM

    def enqueue(self, kind: str, subject: str, due: int, payload: bytes = b"") -> None:
        """Plan a task, or plan it anew: a claim under way no longer ends it."""
        with self._direct.transaction() as connection:
            plan(connection, kind, subject, due, payload)

    def add(self, kind: str, tasks: Iterable[tuple[str, bytes]], due: int) -> None:
        """Plan tasks, subject and payload of each, that are not planned yet."""
        with self._direct.transaction() as connection:
            for subject, payload in tasks:
                values = (secrets.token_bytes(16), kind, subject, payload, due)
                connection.count(_ADD, values)

    def urge(self, kind: str, subject: str, due: int) -> None:
        """Plan a task anew as ``enqueue`` does, and let it keep its payload."""
        values = (secrets.token_bytes(16), kind, subject, b"", due)
        self._direct.count(_URGE, values)

    def urge_all(self, kind: str, due: int) -> int:
        """Plan every task of a kind anew; return how many."""
        return self._direct.count(_URGE_ALL, (due, kind))

    def claim(
        self, kind: str, worker: str, now: int, lease_seconds: int, limit: int = 10
    ) -> tuple[Task, ...]:
        """Take up to ``limit`` due tasks for ``lease_seconds``, oldest first.

        No task is given to two workers at once; a worker that dies leaves its
        tasks to others when its lease ends.
        """
        if not worker or lease_seconds <= 0:
            raise InvalidRecord("a claim needs a worker's name and a lease")
        values = (kind, now, now, limit, worker, now + lease_seconds)
        with self._direct.transaction() as connection:
            rows = connection.rows(self._claim, values)
        return tuple(sorted((Task(*row) for row in rows), key=_order))

    def done(self, task: Task, worker: str) -> bool:
        """End a claimed task; False when it was planned anew or claimed by others.

        A task that was planned anew is free to be claimed again at once.
        """
        values = (task.id, worker, task.generation)
        if self._direct.count(_DONE, values) == 1:
            return True
        self._direct.count(_RELEASE, (task.id, worker))
        return False

    def again(
        self,
        task: Task,
        worker: str,
        due: int,
        error: str = "",
        payload: bytes | None = None,
    ) -> bool:
        """Put a claimed task off until ``due``; False as for ``done``.

        With ``payload`` that is what it carries from then on.
        """
        reason = error[:_ERROR_LIMIT] or None
        values = (due, reason, payload, task.id, worker, task.generation)
        if self._direct.count(_AGAIN, values) == 1:
            return True
        self._direct.count(_RELEASE, (task.id, worker))
        return False

    def cancel(self, kind: str, subject: str) -> bool:
        """Forget a task; False when there is none."""
        return self._direct.count(_CANCEL, (kind, subject)) == 1

    def find(self, kind: str, subject: str) -> Task | None:
        """The task of a kind about that subject; None when there is none."""
        row = self._direct.one(_OF, (kind, subject))
        return None if row is None else Task(*row)

    def pending(self, kind: str) -> Sequence[Task]:
        """Up to 500 tasks of a kind, the next due first."""
        return tuple(Task(*row) for row in self._direct.rows(_LIST, (kind,)))

    def page(
        self, kind: str, cursor: str | None, limit: int, *, failing: bool = False
    ) -> Page[Task]:
        """Tasks of a kind, by subject; only those that failed last, if asked for."""
        count = clamp(limit)
        sql = _PAGE_FAILING if failing else _PAGE
        rows = self._direct.rows(sql, (kind, cursor or "", count + 1))
        items = tuple(Task(*row) for row in rows[:count])
        return Page(items, items[-1].subject if len(rows) > count else None)

    def backlog(self, kind: str, now: int) -> Backlog:
        """How many tasks of a kind there are."""
        row = self._direct.one(_BACKLOG, (now, kind))
        return Backlog(0, 0, 0) if row is None else Backlog(*map(int, row))


def plan(
    connection: Connection, kind: str, subject: str, due: int, payload: bytes = b""
) -> None:
    """As ``TaskStore.enqueue``, inside the open transaction."""
    values = (secrets.token_bytes(16), kind, subject, payload, due)
    connection.count(_ENQUEUE, values)


def _order(task: Task) -> tuple[int, bytes]:
    return task.due, task.id
