"""API keys: a random secret shown once, of which only the SHA-256 is kept."""

import hmac
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum, unique

from sqlmodel import col, select

from onboarding.store import bearer
from onboarding.store.api_tables import ApiKeyRow
from onboarding.store.database import Database, Writing
from onboarding.store.direct import Row, Sql
from onboarding.store.errors import ApiKeyRefused, InvalidRecord, NotFound
from onboarding.store.events import Event
from onboarding.store.key_limits import UNLIMITED, Limits
from onboarding.store.seen import Seen

_PREFIX = "vg"
MOST_SCOPES = 32
SCOPE = re.compile(r"[a-z][a-z0-9-]{0,31}(?::read)?")

_GET = Sql(
    "SELECT id, name, role, created_at, created_by, expires_at, revoked_at, "
    "last_used_at, scopes, limits, secret_digest FROM api_keys WHERE id = ?"
)
_USED = Sql(
    "UPDATE api_keys SET last_used_at = ? WHERE id = ? "
    "AND (last_used_at IS NULL OR last_used_at < ?)"
)

_ANY = Sql("SELECT 1 FROM api_keys LIMIT 1")
_LOCK = Sql("SELECT pg_advisory_xact_lock(?)")
_FIRST = 1987012964


@unique
class Role(StrEnum):
    """Who may call what; each route names the roles it lets in."""

    MANUFACTURER = "manufacturer"
    OPERATOR = "operator"
    SECURITY = "security"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key without its secret; times in seconds since 1970."""

    id: str
    name: str
    role: Role
    created_at: int
    created_by: str
    expires_at: int | None
    revoked_at: int | None
    last_used_at: int | None = field(default=None, compare=False)  # to the minute
    scopes: tuple[str, ...] = ()  # groups of routes, `:read` to look only; all if none
    limits: Limits = UNLIMITED

    @property
    def roles(self) -> frozenset[Role]:
        return frozenset({self.role})

    @property
    def actor(self) -> str:
        """How the audit log names who holds it."""
        return f"apikey:{self.id}"


class ApiKeyStore:
    """API keys by id.

    Args:
        database: Where they are kept.
        random: Where secrets come from; a test may fix it.
    """

    def __init__(
        self,
        database: Database,
        random: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._database = database
        self._random = random

    def create(
        self,
        name: str,
        role: Role,
        actor: str,
        now: int,
        expires_at: int | None = None,
        scopes: tuple[str, ...] = (),
        limits: Limits = UNLIMITED,
    ) -> tuple[ApiKey, str]:
        """Make a key; return it and its token, which cannot be had again.

        Raises:
            InvalidRecord: The name is empty or over 100 characters, the key would
                be dead from the start, a scope is none, or its role has nothing to
                do with what would limit it.
        """
        if not 0 < len(name) <= 100:
            raise InvalidRecord("an API key needs a name of up to 100 characters")
        if expires_at is not None and expires_at <= now:
            raise InvalidRecord("an API key must expire in the future")
        if len(scopes) > MOST_SCOPES or not all(map(SCOPE.fullmatch, scopes)):
            raise InvalidRecord("a scope is a group of routes, or that and `:read`")
        _require_fitting(role, limits)
        made = bearer.mint(_PREFIX, self._random)
        key = ApiKey(
            made.id, name, role, now, actor, expires_at, None, None, scopes, limits
        )
        with self._database.transaction() as writing:
            _add(writing, key, made.digest)
        return key, made.token

    def create_first(
        self, name: str, actor: str, now: int, keep: Callable[[str], None]
    ) -> ApiKey | None:
        """Make an admin's key if there has never been a key; None if there has.

        Of several processes that ask at once, one makes it.

        Args:
            keep: Told the token before the key is there for good. What it raises
                undoes the key.
        """
        if self._database.direct.rows(_ANY):
            return None
        made = bearer.mint(_PREFIX, self._random)
        key = ApiKey(made.id, name, Role.ADMIN, now, actor, None, None)
        with self._database.transaction() as writing:
            if self._database.is_postgres:  # SQLite has one writer at a time
                writing.direct.rows(_LOCK, (_FIRST,))
            if writing.direct.rows(_ANY):
                return None
            _add(writing, key, made.digest)
            keep(made.token)
        return key

    def verify(self, token: str, now: int) -> ApiKey:
        """The key whose token this is.

        Raises:
            ApiKeyRefused: Always the same, whatever is wrong with it.
        """
        found = bearer.taken_apart(_PREFIX, token)
        if found is None:
            raise ApiKeyRefused("the API key is not valid")
        key_id, digest = found
        row = self._database.direct.one(_GET, (key_id,))
        stored = bearer.NO_DIGEST if row is None else row[10]
        if not hmac.compare_digest(stored, digest) or row is None:
            raise ApiKeyRefused("the API key is not valid")
        return _living(row, now)

    def living(self, key_id: str, now: int) -> ApiKey:
        """The key of that id, for one who has shown its token before.

        Raises:
            ApiKeyRefused: There is none, or it was revoked or ran out since.
        """
        row = self._database.direct.one(_GET, (key_id,))
        if row is None:
            raise ApiKeyRefused("the API key is not valid")
        return _living(row, now)

    def used(self, key_id: str, at: int) -> None:
        """Take note that a key was used; a later use that is known stays."""
        self._database.direct.count(_USED, (at, key_id, at))

    def list(self) -> tuple[ApiKey, ...]:
        """Every key, oldest first, the dead ones too."""
        order = (col(ApiKeyRow.created_at), col(ApiKeyRow.id))
        with self._database.session() as session:
            rows = session.exec(select(ApiKeyRow).order_by(*order)).all()
            return tuple(_record(row) for row in rows)

    def get(self, key_id: str) -> ApiKey:
        """Raises NotFound when there never was such a key."""
        with self._database.session() as session:
            row = session.get(ApiKeyRow, key_id)
            if row is None:
                raise NotFound(f"there is no API key {key_id}")
            return _record(row)

    def revoke(
        self, key_id: str, actor: str, at: int, seen: Seen[ApiKey] | None = None
    ) -> None:
        """End a key now; ending it again changes nothing.

        Raises:
            NotFound: There is no such key.
            Conflict: It is not as it was seen.
        """
        with self._database.transaction() as writing:
            row = writing.session.get(ApiKeyRow, key_id, with_for_update=True)
            if row is None:
                raise NotFound(f"there is no API key {key_id}")
            if seen is not None:
                seen.require(_record(row))
            if row.revoked_at is not None:
                return
            row.revoked_at = at
            writing.log(Event("apikey.revoked", actor, at, detail={"id": key_id}))


def _add(writing: Writing, key: ApiKey, digest: bytes) -> None:
    row = ApiKeyRow(
        id=key.id,
        name=key.name,
        role=key.role.value,
        secret_digest=digest,
        created_at=key.created_at,
        created_by=key.created_by,
        expires_at=key.expires_at,
        scopes=" ".join(key.scopes) or None,
        limits=key.limits.encode(),
    )
    writing.session.add(row)
    detail = {
        "id": key.id,
        "name": key.name,
        "role": key.role.value,
        "scopes": list(key.scopes),
        "labels": dict(key.limits.labels),
        "lines": list(key.limits.lines),
    }
    writing.log(
        Event("apikey.created", key.created_by, key.created_at, None, None, detail)
    )


def _living(row: Row, now: int) -> ApiKey:
    whole = ApiKey(row[0], row[1], Role(row[2]), *row[3:8])
    key = replace(whole, scopes=_scopes(row[8]), limits=_limits(row[9]))
    if key.revoked_at is not None or _expired(key, now):
        raise ApiKeyRefused("the API key is not valid")
    return key


def _expired(key: ApiKey, now: int) -> bool:
    return key.expires_at is not None and key.expires_at <= now


def _record(row: ApiKeyRow) -> ApiKey:
    return ApiKey(
        row.id,
        row.name,
        Role(row.role),
        row.created_at,
        row.created_by,
        row.expires_at,
        row.revoked_at,
        row.last_used_at,
        _scopes(row.scopes),
        Limits.decode(row.limits),
    )


def _require_fitting(role: Role, limits: Limits) -> None:
    """Raises InvalidRecord: the limits would not limit what a key of the role sees."""
    limits.require()
    if limits.labels and role not in (Role.OPERATOR, Role.SECURITY):
        raise InvalidRecord("labels limit keys of operators and of security")
    if limits.lines and role is not Role.MANUFACTURER:
        raise InvalidRecord("production lines limit keys of manufacturers")


def _limits(text: str | None) -> Limits:
    """Raises ApiKeyRefused: they are not understood, so the key is good for nothing."""
    try:
        return Limits.decode(text)
    except InvalidRecord as error:
        raise ApiKeyRefused("the API key is not valid") from error


def _scopes(text: str | None) -> tuple[str, ...]:
    return tuple((text or "").split())
