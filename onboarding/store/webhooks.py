"""Webhooks and their outbox: which events are on their way, and which never arrived.

The audit log is the durable part: a webhook has a place in it, and rows are made for
the events after that place. So nothing is lost between a change and its telling,
and whatever makes a change knows nothing of webhooks.
"""

import random
import secrets
from collections.abc import Mapping

from onboarding.store.database import Database
from onboarding.store.direct import Connection, Sql
from onboarding.store.errors import Conflict, InvalidRecord, NotFound
from onboarding.store.events import Event, append
from onboarding.store.pages import Page, clamp, number_cursor
from onboarding.store.seen import Seen
from onboarding.store.webhook_records import (
    Claim,
    Delivery,
    Webhook,
    delivery_of,
    webhook_of,
)

MOST = 64  # webhooks of one service
BACKLOG = 10_000  # deliveries of one webhook; what comes after them waits in the log
BATCH = 500  # events that are looked at in one transaction
CAUSES_LIMIT = 1024
_ERROR_LIMIT = 300

_COLUMNS = (
    "id, url, causes, secret, previous, previous_until, cursor, disabled, "
    "delivered_at, created_at, created_by"
)
_ALL = Sql(f"SELECT {_COLUMNS} FROM webhooks ORDER BY created_at, id")  # noqa: S608
_GET = Sql(f"SELECT {_COLUMNS} FROM webhooks WHERE id = ?")  # noqa: S608
_LOCKED = Sql(_GET.sqlite, " FOR UPDATE")
_COUNT = Sql("SELECT COUNT(*) FROM webhooks")
_ADD = Sql(
    f"INSERT INTO webhooks ({_COLUMNS}) "  # noqa: S608
    "VALUES (?, ?, ?, ?, NULL, NULL, ?, NULL, NULL, ?, ?)"
)
_REMOVE = Sql("DELETE FROM webhooks WHERE id = ?")
_ROTATE = Sql(
    "UPDATE webhooks SET previous = secret, previous_until = ?, secret = ? WHERE id = ?"
)
_STOP = Sql("UPDATE webhooks SET disabled = ? WHERE id = ? AND disabled IS NULL")
_RESUME = Sql("UPDATE webhooks SET disabled = NULL WHERE id = ?")
_HEAD = Sql("SELECT seq FROM event_head WHERE id = 1")
_BEHIND = Sql(
    "SELECT id, causes, cursor FROM webhooks WHERE disabled IS NULL AND cursor < "
    "(SELECT seq FROM event_head WHERE id = 1) AND (SELECT COUNT(*) FROM "
    "webhook_deliveries d WHERE d.webhook = webhooks.id AND d.dead = 0) < ? "
    "ORDER BY id LIMIT 1",
    " FOR UPDATE SKIP LOCKED",
)
_EVENTS = Sql("SELECT seq, cause FROM events WHERE seq > ? ORDER BY seq LIMIT ?")
_MADE = Sql(
    "INSERT INTO webhook_deliveries (webhook, seq, dead, attempts, due, "
    "claimed_until) VALUES (?, ?, 0, 0, ?, 0)"
)
_SEEN = Sql("UPDATE webhooks SET cursor = ? WHERE id = ?")
_WAITING = Sql(
    "SELECT w.id FROM webhooks w WHERE w.disabled IS NULL AND EXISTS (SELECT 1 FROM "
    "webhook_deliveries d WHERE d.webhook = w.id AND d.dead = 0 AND d.due <= ? "
    "AND d.claimed_until <= ?)"
)
_READY = (
    "WITH ready AS MATERIALIZED (SELECT d.webhook, d.seq FROM webhook_deliveries d "
    "WHERE d.webhook = ? AND d.dead = 0 AND d.due <= ? AND d.claimed_until <= ? "
    "ORDER BY d.seq LIMIT ?{lock}) "
    "UPDATE webhook_deliveries SET claimed_until = ?, attempts = attempts + 1 "
    "WHERE (webhook, seq) IN (SELECT webhook, seq FROM ready) "
    "RETURNING webhook, seq, attempts, claimed_until"
)
_CLAIM = Sql(_READY.format(lock=""))
_CLAIM_SKIPPING = Sql(_READY.format(lock=" FOR UPDATE SKIP LOCKED"))
_DONE = Sql(
    "DELETE FROM webhook_deliveries WHERE webhook = ? AND seq = ? AND claimed_until = ?"
)
_DELIVERED = Sql("UPDATE webhooks SET delivered_at = ? WHERE id = ?")
_FAILED = Sql(
    "UPDATE webhook_deliveries SET claimed_until = 0, dead = ?, due = ?, "
    "tried_at = ?, status = ?, error = ? "
    "WHERE webhook = ? AND seq = ? AND claimed_until = ?"
)
_AGAIN = Sql(
    "UPDATE webhook_deliveries SET dead = 0, attempts = 0, due = ? "
    "WHERE webhook = ? AND dead = 1"
)
_AGAIN_ONE = Sql(_AGAIN.sqlite + " AND seq = ?")
_PAGE = Sql(
    "SELECT webhook, seq, dead, attempts, due, tried_at, status, error "
    "FROM webhook_deliveries WHERE webhook = ? AND dead >= ? AND seq < ? "
    "ORDER BY seq DESC LIMIT ?"
)
_COUNTS = Sql(
    "SELECT COALESCE(SUM(1 - dead), 0), COALESCE(SUM(dead), 0) FROM webhook_deliveries"
)
_PRUNE = Sql("DELETE FROM webhook_deliveries WHERE dead = 1 AND tried_at < ?")


class WebhookStore:
    """Webhooks by id, and the outbox that all replicas empty together."""

    def __init__(self, database: Database) -> None:
        self._direct = database.direct
        self._claim = _CLAIM_SKIPPING if database.is_postgres else _CLAIM

    def add(
        self, url: str, causes: tuple[str, ...], sealed: bytes, actor: str, now: int
    ) -> Webhook:
        """Tell somebody of what happens from now on; ``sealed`` is its secret.

        Raises:
            InvalidRecord: The causes are too many.
            Conflict: There are as many webhooks as there may be.
        """
        text = " ".join(causes)
        if len(text) > CAUSES_LIMIT:
            raise InvalidRecord(f"causes have {CAUSES_LIMIT} characters at most")
        made = secrets.token_hex(8)
        with self._direct.transaction() as connection:
            if int(connection.rows(_COUNT)[0][0]) >= MOST:
                raise Conflict(f"there are {MOST} webhooks, and no more may be")
            event = Event("webhook.created", actor, now, detail={"id": made})
            append(connection, event)
            seen = int(connection.rows(_HEAD)[0][0])
            connection.count(_ADD, (made, url, text, sealed, seen, now, actor))
        return self.get(made)

    def get(self, name: str) -> Webhook:
        """Raises NotFound."""
        row = self._direct.one(_GET, (name,))
        if row is None:
            raise NotFound(f"there is no webhook {name}")
        return webhook_of(row)

    def list(self) -> tuple[Webhook, ...]:
        """Every webhook, oldest first."""
        return tuple(map(webhook_of, self._direct.rows(_ALL)))

    def remove(
        self, name: str, actor: str, now: int, seen: Seen[Webhook] | None = None
    ) -> None:
        """Tell it nothing more, not even what is on its way.

        Raises:
            NotFound: There is no such webhook.
            Conflict: It is not as it was seen.
        """
        event = Event("webhook.removed", actor, now)
        self._change(_REMOVE, (name,), event, name, seen)

    def rotate(
        self, name: str, sealed: bytes, until: int, actor: str, now: int
    ) -> None:
        """Sign by a new secret, and by the one before as well until a time.

        Raises NotFound.
        """
        event = Event("webhook.rotated", actor, now)
        self._change(_ROTATE, (until, sealed, name), event, name)

    def stop(self, name: str, why: str, actor: str, now: int) -> None:
        """Send nothing until it is resumed; events are kept for it."""
        detail = {"id": name, "why": why}
        with self._direct.transaction() as connection:
            if connection.count(_STOP, (why, name)):
                append(connection, Event("webhook.stopped", actor, now, detail=detail))

    def resume(self, name: str, actor: str, now: int) -> None:
        """Send again, what was kept included. Raises NotFound."""
        self._change(_RESUME, (name,), Event("webhook.resumed", actor, now), name)

    def _change(
        self,
        sql: Sql,
        values: tuple[str | int | bytes, ...],
        event: Event,
        name: str,
        seen: Seen[Webhook] | None = None,
    ) -> None:
        told = Event(event.cause, event.actor, event.at, detail={"id": name})
        with self._direct.transaction() as connection:
            found = connection.rows(_LOCKED, (name,))
            if seen is not None and found:
                seen.require(webhook_of(found[0]))
            if connection.count(sql, values) == 0:
                raise NotFound(f"there is no webhook {name}")
            append(connection, told)

    def spread(self, now: int) -> bool:
        """Make deliveries of events that one webhook has not seen; False if none."""
        with self._direct.transaction() as connection:
            behind = connection.rows(_BEHIND, (BACKLOG,))
            if not behind:
                return False
            name, causes, cursor = behind[0]
            return _spread(connection, str(name), str(causes), int(cursor), now)

    def claim(
        self,
        now: int,
        lease_seconds: int,
        limit: int,
        each: int,
        busy: Mapping[str, int] = {},
    ) -> tuple[Claim, ...]:
        """Take deliveries that are due; no other worker has them for so long.

        However much waits for one webhook, the others have their turn: first those
        that this worker is least busy with.

        Args:
            limit: How many in all.
            each: How many of one webhook this worker may have under way.
            busy: How many of each it has now.
        """
        found: list[Claim] = []
        with self._direct.transaction() as connection:
            waiting = [str(row[0]) for row in connection.rows(_WAITING, (now, now))]
            random.shuffle(waiting)
            for name in sorted(waiting, key=lambda one: busy.get(one, 0)):
                room = min(limit - len(found), each - busy.get(name, 0))
                if room > 0:
                    values = (name, now, now, room, now + lease_seconds)
                    taken = connection.rows(self._claim, values)
                    found += [Claim(*row) for row in taken]
        return tuple(found)

    def delivered(self, claim: Claim, now: int) -> None:
        """It arrived."""
        with self._direct.transaction() as connection:
            connection.count(_DONE, (claim.webhook, claim.seq, claim.until))
            connection.count(_DELIVERED, (now, claim.webhook))

    def failed(
        self, claim: Claim, now: int, due: int | None, error: str, status: int | None
    ) -> None:
        """Try again at ``due``; None gives it up: it goes to the dead letters."""
        dead, when = (1, now) if due is None else (0, due)
        mine = (claim.webhook, claim.seq, claim.until)
        told = (dead, when, now, status, error[:_ERROR_LIMIT])
        self._direct.count(_FAILED, (*told, *mine))

    def redeliver(self, name: str, now: int, seq: int | None = None) -> int:
        """Take one dead letter, or all, up again; return how many. Raises NotFound."""
        self.get(name)
        if seq is None:
            return self._direct.count(_AGAIN, (now, name))
        count = self._direct.count(_AGAIN_ONE, (now, name, seq))
        if count == 0:
            raise NotFound(f"webhook {name} has no dead letter {seq}")
        return count

    def page(
        self, name: str, cursor: str | None, limit: int, *, dead: bool
    ) -> Page[Delivery]:
        """What is on its way or dead, newest first; only what is dead, if asked."""
        self.get(name)
        size = clamp(limit)
        before = 2**62 if cursor is None else number_cursor(cursor)
        rows = self._direct.rows(_PAGE, (name, int(dead), before, size + 1))
        found = tuple(delivery_of(row) for row in rows[:size])
        return Page(found, str(found[-1].seq) if len(rows) > size else None)

    def counts(self) -> tuple[int, int]:
        """How many deliveries are on their way, and how many are dead."""
        row = self._direct.one(_COUNTS) or (0, 0)
        return int(row[0]), int(row[1])

    def prune(self, before: int) -> int:
        """Forget dead letters that were last tried before that time."""
        return self._direct.count(_PRUNE, (before,))


def _spread(
    connection: Connection, name: str, causes: str, cursor: int, now: int
) -> bool:
    events = connection.rows(_EVENTS, (cursor, BATCH))
    if not events:
        return False
    wanted = tuple(causes.split())
    for seq, cause in events:
        if not wanted or str(cause).startswith(wanted):
            connection.count(_MADE, (name, seq, now))
    connection.count(_SEEN, (events[-1][0], name))
    return True
