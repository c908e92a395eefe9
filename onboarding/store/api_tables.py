"""Rows of the management API: who may call, and what was answered."""

from sqlalchemy import BigInteger
from sqlmodel import Field

from onboarding.store.tables import Base, maybe_seconds, seconds


class ApiKeyRow(Base, table=True):
    """An API key; of its secret only the SHA-256 is kept."""

    __tablename__ = "api_keys"
    id: str = Field(primary_key=True)
    name: str
    role: str
    secret_digest: bytes
    created_at: int = seconds()
    created_by: str
    expires_at: int | None = maybe_seconds()
    revoked_at: int | None = maybe_seconds()
    last_used_at: int | None = maybe_seconds()


class IdempotencyRow(Base, table=True):
    """A request by its name, and its answer, sealed; none while it is worked on."""

    __tablename__ = "idempotency"
    key_id: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    request: bytes
    at: int = Field(sa_type=BigInteger, index=True)
    answer: bytes | None = None
