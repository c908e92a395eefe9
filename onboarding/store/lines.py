"""Production lines, and the stations that may speak for them."""

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from onboarding.store import bearer
from onboarding.store.database import Database
from onboarding.store.direct import Connection, Sql
from onboarding.store.errors import ApiKeyRefused, Conflict, InvalidRecord, NotFound
from onboarding.store.events import Event, append

MAX_LINES = 256
MAX_STATIONS = 64  # of one line, the dismissed ones left out
BODY_LIMIT = 64 * 1024
PREFIX = "vgl"
_REFUSED = "the line's key is not valid"

_GET = Sql(
    "SELECT name, version, body, updated_at, updated_by FROM production_lines "
    "WHERE name = ?"
)
_LIST = Sql(
    "SELECT name, version, body, updated_at, updated_by FROM production_lines "
    "ORDER BY name"
)
_COUNT = Sql("SELECT COUNT(*) FROM production_lines")
_PUT = Sql(
    "INSERT INTO production_lines (name, version, body, updated_at, updated_by) "
    "VALUES (?, 1, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET "
    "version = production_lines.version + 1, body = excluded.body, "
    "updated_at = excluded.updated_at, updated_by = excluded.updated_by"
)
_DELETE = Sql(
    "DELETE FROM production_lines WHERE name = ? "
    "AND (CAST(? AS INTEGER) IS NULL OR version = CAST(? AS INTEGER))"
)
_STATIONS = Sql(
    "SELECT id, line, name, created_at, created_by, revoked_at FROM line_stations "
    "WHERE line = ? ORDER BY created_at, id"
)
_STATION = Sql(
    "SELECT secret_digest, name FROM line_stations "
    "WHERE id = ? AND line = ? AND revoked_at IS NULL"
)
_LIVE = Sql("SELECT COUNT(*) FROM line_stations WHERE line = ? AND revoked_at IS NULL")
_HIRE = Sql(
    "INSERT INTO line_stations (id, line, name, secret_digest, created_at, "
    "created_by) VALUES (?, ?, ?, ?, ?, ?)"
)
_DISMISS = Sql(
    "UPDATE line_stations SET revoked_at = ? "
    "WHERE id = ? AND line = ? AND revoked_at IS NULL"
)
_DISMISS_ALL = Sql(
    "UPDATE line_stations SET revoked_at = ? WHERE line = ? AND revoked_at IS NULL"
)


@dataclass(frozen=True, slots=True)
class LineRecord:
    """A line and its settings, as bytes of JSON."""

    name: str
    version: int
    body: bytes
    updated_at: int
    updated_by: str


@dataclass(frozen=True, slots=True)
class Station:
    """A station's key without its secret."""

    id: str
    line: str
    name: str
    created_at: int
    created_by: str
    revoked_at: int | None


class LineStore:
    """Lines by name; one plain statement to read, fit for each message 10.

    Args:
        database: Where they are kept.
        random: Where secrets come from; a test may fix it.
    """

    def __init__(
        self,
        database: Database,
        random: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._direct = database.direct
        self._random = random

    def find(self, name: str) -> LineRecord | None:
        """The line of that name; None when there is none."""
        row = self._direct.one(_GET, (name,))
        return None if row is None else LineRecord(*row)

    def get(self, name: str) -> LineRecord:
        """Raises NotFound when there is no such line."""
        found = self.find(name)
        if found is None:
            raise NotFound(f"there is no production line {name}")
        return found

    def list(self) -> tuple[LineRecord, ...]:
        """Every line, by name."""
        return tuple(LineRecord(*row) for row in self._direct.rows(_LIST))

    def put(
        self, name: str, body: bytes, actor: str, at: int, expected: int | None = None
    ) -> LineRecord:
        """Set a line up, or change it.

        Raises:
            Conflict: Its version is not ``expected``; 0 is that of no line.
            InvalidRecord: The settings are over 64 KiB, or there are 256 lines.
        """
        if len(body) > BODY_LIMIT:
            raise InvalidRecord("a line's settings have at most 64 KiB")
        with self._direct.transaction() as connection:
            connection.count(_PUT, (name, body, at, actor))
            if connection.rows(_COUNT)[0][0] > MAX_LINES:
                raise InvalidRecord(f"there are {MAX_LINES} lines already")
            digest = hashlib.sha256(body).digest()
            event = Event("line.changed", actor, at, None, digest, {"line": name})
            append(connection, event)
            done = LineRecord(*connection.rows(_GET, (name,))[0])
            if expected is not None and done.version != expected + 1:
                raise Conflict("the line was changed meanwhile")
            return done

    def delete(
        self, name: str, actor: str, at: int, expected: int | None = None
    ) -> None:
        """Take a line away, and dismiss its stations.

        Raises:
            NotFound: There is no such line.
            Conflict: Its version is not ``expected``.
        """
        with self._direct.transaction() as connection:
            if connection.count(_DELETE, (name, expected, expected)) == 0:
                raise _missing(connection, name)
            connection.count(_DISMISS_ALL, (at, name))
            append(connection, Event("line.removed", actor, at, detail={"line": name}))

    def stations(self, line: str) -> tuple[Station, ...]:
        """The stations of a line, oldest first, the dismissed ones too."""
        return tuple(Station(*row) for row in self._direct.rows(_STATIONS, (line,)))

    def hire(self, line: str, name: str, actor: str, at: int) -> tuple[str, str]:
        """Give a station a key of its own; return its id, and the key, shown once.

        Raises:
            NotFound: There is no such line.
            InvalidRecord: The line has 64 stations.
        """
        made = bearer.mint(PREFIX, self._random)
        with self._direct.transaction() as connection:
            if not connection.rows(_GET, (line,)):
                raise NotFound(f"there is no production line {line}")
            if connection.rows(_LIVE, (line,))[0][0] >= MAX_STATIONS:
                raise InvalidRecord(f"the line has {MAX_STATIONS} stations already")
            connection.count(_HIRE, (made.id, line, name, made.digest, at, actor))
            detail = {"line": line, "station": name, "id": made.id}
            append(connection, Event("station.hired", actor, at, detail=detail))
        return made.id, made.token

    def dismiss(self, line: str, station: str, actor: str, at: int) -> None:
        """End a station's key at once.

        Raises:
            NotFound: The line has no such station that is not dismissed.
        """
        with self._direct.transaction() as connection:
            if connection.count(_DISMISS, (at, station, line)) == 0:
                raise NotFound(f"line {line} has no live station {station}")
            detail = {"line": line, "id": station}
            append(connection, Event("station.dismissed", actor, at, detail=detail))

    def station_of(self, line: str, token: str) -> str:
        """Return the name of the station whose key for ``line`` this is.

        Raises:
            ApiKeyRefused: Always the same, whatever is wrong with it.
        """
        found = bearer.taken_apart(PREFIX, token)
        if found is None:
            raise ApiKeyRefused(_REFUSED)
        row = self._direct.one(_STATION, (found[0], line))
        stored = bearer.NO_DIGEST if row is None else row[0]
        if not hmac.compare_digest(stored, found[1]) or row is None:
            raise ApiKeyRefused(_REFUSED)
        return str(row[1])


def _missing(connection: Connection, name: str) -> NotFound | Conflict:
    """Why no line of that name and version was there to delete."""
    if connection.rows(_GET, (name,)):
        return Conflict("the line was changed meanwhile")
    return NotFound(f"there is no production line {name}")
