"""How rendezvous servers have answered lately: one circuit breaker for each.

Every replica reads and writes the same rows, so a server that is down costs a few
attempts, however many vouchers name it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum, unique

from onboarding.store.database import Database
from onboarding.store.direct import Connection, Row, Sql
from onboarding.store.errors import NotFound
from onboarding.store.events import Event, append
from onboarding.store.pages import Page, clamp

OPEN_AFTER = 5  # failures in a row
FIRST_PAUSE, LONGEST_PAUSE = 30, 900  # seconds that a circuit stays open
PROBE_SECONDS = 120  # until another probe may go out, if nothing is heard of one
ANSWERED_EVERY = 60  # seconds between two writes of good news

_ERROR_LIMIT = 300

_GET = Sql(
    "SELECT server, failures, openings, open_until, probe_until, error, failed_at, "
    "answered_at FROM rv_servers WHERE server = ?"
)
_GET_LOCKED = Sql(_GET.sqlite, " FOR UPDATE")
_NEW = Sql(
    "INSERT INTO rv_servers (server, failures, openings, open_until, probe_until, "
    "error, failed_at, answered_at) VALUES (?, 0, 0, 0, 0, '', 0, 0) "
    "ON CONFLICT (server) DO NOTHING"
)
_SET = Sql(
    "UPDATE rv_servers SET failures = ?, openings = ?, open_until = ?, "
    "probe_until = ?, error = ?, failed_at = ?, answered_at = ? WHERE server = ?"
)
_PROBE = Sql(
    "UPDATE rv_servers SET probe_until = ? "
    "WHERE server = ? AND open_until = ? AND probe_until <= ?"
)
_PAGE = Sql(
    "SELECT server, failures, openings, open_until, probe_until, error, failed_at, "
    "answered_at FROM rv_servers WHERE server > ? ORDER BY server LIMIT ?"
)
_COUNTS = Sql(
    "SELECT COUNT(*), COALESCE(SUM(CASE WHEN open_until > ? THEN 1 ELSE 0 END), 0), "
    "COALESCE(SUM(CASE WHEN open_until = 0 THEN 1 ELSE 0 END), 0) FROM rv_servers"
)
_PRUNE = Sql("DELETE FROM rv_servers WHERE failed_at <= ? AND answered_at <= ?")


@unique
class Circuit(StrEnum):
    """Whether a server is tried."""

    CLOSED = "closed"  # it is
    OPEN = "open"  # not until a time
    HALF_OPEN = "half-open"  # by one attempt, which decides


@dataclass(frozen=True, slots=True)
class RvServer:
    """One server, by the address it is tried at first; times as everywhere.

    ``failures`` in a row, ``openings`` of the circuit in a row; times are 0 where
    there is none.
    """

    server: str
    failures: int = 0
    openings: int = 0
    open_until: int = 0
    probe_until: int = 0
    error: str = ""
    failed_at: int = 0
    answered_at: int = 0

    def circuit(self, now: int) -> Circuit:
        if self.open_until == 0:
            return Circuit.CLOSED
        return Circuit.OPEN if now < self.open_until else Circuit.HALF_OPEN

    def failed(self, error: str, now: int) -> "RvServer":
        """Return it after an attempt to which no good answer came."""
        told = replace(self, error=error[:_ERROR_LIMIT], failed_at=now)
        circuit = self.circuit(now)
        if circuit is Circuit.OPEN:
            return told  # by an attempt that began before
        failures = self.failures + 1
        if circuit is Circuit.CLOSED and failures < OPEN_AFTER:
            return replace(told, failures=failures)
        pause = min(FIRST_PAUSE << min(self.openings, 10), LONGEST_PAUSE)
        return replace(
            told,
            failures=failures,
            openings=self.openings + 1,
            open_until=now + pause,
            probe_until=0,
        )

    def answered(self, now: int) -> "RvServer":
        """Return it after an answer that was FDO, if only a refusal."""
        return RvServer(
            self.server, error=self.error, failed_at=self.failed_at, answered_at=now
        )


class RvServerStore:
    """Servers by address; safe with any number of replicas."""

    def __init__(self, database: Database) -> None:
        self._direct = database.direct

    def admit(self, server: str, now: int) -> int:
        """Ask to try a server; 0 lets the caller, else when to ask again.

        While the circuit is half open, one caller at a time is let.
        """
        row = self._direct.one(_GET, (server,))
        if row is None:
            return 0
        found = RvServer(*row)
        match found.circuit(now):
            case Circuit.CLOSED:
                return 0
            case Circuit.OPEN:
                return found.open_until
            case Circuit.HALF_OPEN:
                lease = now + PROBE_SECONDS
                claim = lease, server, found.open_until, now
                won = self._direct.count(_PROBE, claim) == 1
                return 0 if won else max(found.probe_until, now + FIRST_PAUSE)

    def answered(self, server: str, now: int) -> None:
        """It answered: its circuit is closed."""
        row = self._direct.one(_GET, (server,))
        known = None if row is None else RvServer(*row)
        lately = known is not None and known.answered_at > now - ANSWERED_EVERY
        if lately and known is not None and known.failures == 0:
            return
        with self._direct.transaction() as connection:
            found = _locked(connection, server)
            _write(connection, found.answered(now))

    def failed(self, server: str, error: str, now: int) -> RvServer:
        """It did not; return how it stands."""
        with self._direct.transaction() as connection:
            found = _locked(connection, server).failed(error, now)
            _write(connection, found)
        return found

    def reset(self, server: str, actor: str, at: int) -> RvServer:
        """Close a circuit by hand. Raises NotFound."""
        with self._direct.transaction() as connection:
            rows = connection.rows(_GET_LOCKED, (server,))
            if not rows:
                raise NotFound(f"no rendezvous server {server} was tried lately")
            old = RvServer(*rows[0])
            new = replace(old, failures=0, openings=0, open_until=0, probe_until=0)
            _write(connection, new)
            detail = {"server": server, "failures": old.failures}
            append(connection, Event("rv_server.reset", actor, at, None, None, detail))
        return new

    def get(self, server: str) -> RvServer:
        """Raises NotFound when it was not tried lately."""
        row = self._direct.one(_GET, (server,))
        if row is None:
            raise NotFound(f"no rendezvous server {server} was tried lately")
        return RvServer(*row)

    def page(self, cursor: str | None, limit: int) -> Page[RvServer]:
        """All servers, by address."""
        count = clamp(limit)
        rows = self._direct.rows(_PAGE, (cursor or "", count + 1))
        items = tuple(RvServer(*row) for row in rows[:count])
        return Page(items, items[-1].server if len(rows) > count else None)

    def counts(self, now: int) -> Mapping[Circuit, int]:
        """How many circuits are closed, open and half open."""
        row = self._direct.one(_COUNTS, (now,))
        whole, opened, closed = _numbers(row)
        return {
            Circuit.CLOSED: closed,
            Circuit.OPEN: opened,
            Circuit.HALF_OPEN: whole - opened - closed,
        }

    def prune(self, before: int) -> int:
        """Forget servers that were not tried since; return how many."""
        return self._direct.count(_PRUNE, (before, before))


def _locked(connection: Connection, server: str) -> RvServer:
    connection.count(_NEW, (server,))
    return RvServer(*connection.rows(_GET_LOCKED, (server,))[0])


def _write(connection: Connection, one: RvServer) -> None:
    values = (
        one.failures,
        one.openings,
        one.open_until,
        one.probe_until,
        one.error,
        one.failed_at,
        one.answered_at,
        one.server,
    )
    connection.count(_SET, values)


def _numbers(row: Row | None) -> tuple[int, int, int]:
    return (0, 0, 0) if row is None else (int(row[0]), int(row[1]), int(row[2]))
