"""API keys: a random secret shown once, of which only the SHA-256 is kept.

A hash without salt or stretching is enough: the secret is 32 random bytes, so
there is nothing to guess, and a request costs one hash and one row.
"""

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum, unique

from sqlmodel import col, select

from onboarding.store.database import Database
from onboarding.store.direct import Row, Sql
from onboarding.store.errors import ApiKeyRefused, InvalidRecord, NotFound
from onboarding.store.events import Event
from onboarding.store.tables import ApiKeyRow

_PREFIX = "vg"
_TOKEN_LIMIT = 128
_NO_DIGEST = bytes(32)

_GET = Sql(
    "SELECT id, name, role, created_at, created_by, expires_at, revoked_at, "
    "secret_digest FROM api_keys WHERE id = ?"
)


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
        self, name: str, role: Role, actor: str, now: int, expires_at: int | None = None
    ) -> tuple[ApiKey, str]:
        """Make a key; return it and its token, which cannot be had again.

        Raises:
            InvalidRecord: The name is empty or over 100 characters, or the key
                would be dead from the start.
        """
        if not 0 < len(name) <= 100:
            raise InvalidRecord("an API key needs a name of up to 100 characters")
        if expires_at is not None and expires_at <= now:
            raise InvalidRecord("an API key must expire in the future")
        key = ApiKey(self._random(8).hex(), name, role, now, actor, expires_at, None)
        secret = urlsafe_b64encode(self._random(32)).rstrip(b"=").decode()
        with self._database.transaction() as writing:
            writing.session.add(
                ApiKeyRow(
                    id=key.id,
                    name=name,
                    role=role.value,
                    secret_digest=_digest(secret),
                    created_at=now,
                    created_by=actor,
                    expires_at=expires_at,
                )
            )
            detail = {"id": key.id, "name": name, "role": role.value}
            writing.log(Event("apikey.created", actor, now, None, None, detail))
        return key, f"{_PREFIX}_{key.id}_{secret}"

    def verify(self, token: str, now: int) -> ApiKey:
        """The key whose token this is.

        Raises:
            ApiKeyRefused: Always the same, whatever is wrong with it.
        """
        prefix, _, rest = token.partition("_")
        key_id, _, secret = rest.partition("_")
        if prefix != _PREFIX or not secret or len(token) > _TOKEN_LIMIT:
            raise ApiKeyRefused("the API key is not valid")
        row = self._database.direct.one(_GET, (key_id,))
        stored = _NO_DIGEST if row is None else row[7]
        if not hmac.compare_digest(stored, _digest(secret)) or row is None:
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

    def list(self) -> tuple[ApiKey, ...]:
        """Every key, oldest first, the dead ones too."""
        order = (col(ApiKeyRow.created_at), col(ApiKeyRow.id))
        with self._database.session() as session:
            rows = session.exec(select(ApiKeyRow).order_by(*order)).all()
            return tuple(_record(row) for row in rows)

    def revoke(self, key_id: str, actor: str, at: int) -> None:
        """End a key now; ending it again changes nothing.

        Raises:
            NotFound: There is no such key.
        """
        with self._database.transaction() as writing:
            row = writing.session.get(ApiKeyRow, key_id, with_for_update=True)
            if row is None:
                raise NotFound(f"there is no API key {key_id}")
            if row.revoked_at is not None:
                return
            row.revoked_at = at
            writing.log(Event("apikey.revoked", actor, at, detail={"id": key_id}))


def _living(row: Row, now: int) -> ApiKey:
    key = ApiKey(row[0], row[1], Role(row[2]), *row[3:7])
    if key.revoked_at is not None or _expired(key, now):
        raise ApiKeyRefused("the API key is not valid")
    return key


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


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
    )
