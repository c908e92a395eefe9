"""Rows of the management API: who may call, what was answered, who is told."""

from sqlalchemy import BigInteger, ForeignKey, Index
from sqlmodel import Field

from onboarding.store.tables import ONE_TREE, Base, maybe_seconds, seconds


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
    scopes: str | None = None
    limits: str | None = None  # JSON


class IdempotencyRow(Base, table=True):
    """A request by its name, and its answer, sealed; none while it is worked on."""

    __tablename__ = "idempotency"
    key_id: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    request: bytes
    at: int = Field(sa_type=BigInteger, index=True)
    answer: bytes | None = None


class WebhookRow(Base, table=True):
    """Who is told of events; ``secret`` and the one before it are sealed."""

    __tablename__ = "webhooks"
    id: str = Field(primary_key=True)
    url: str
    causes: str
    secret: bytes
    previous: bytes | None = None
    previous_until: int | None = maybe_seconds()
    cursor: int = Field(sa_type=BigInteger)
    disabled: str | None = None
    delivered_at: int | None = maybe_seconds()
    created_at: int = seconds()
    created_by: str


class WebhookDeliveryRow(Base, table=True):
    """An event on its way to a webhook; gone once it was taken."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (Index("ix_webhook_deliveries_due", "dead", "due"),)
    webhook: str = Field(
        sa_column_args=(ForeignKey("webhooks.id", ondelete="CASCADE"),),
        primary_key=True,
    )
    seq: int = Field(sa_type=BigInteger, primary_key=True)
    dead: int
    attempts: int
    due: int = seconds()
    claimed_until: int = seconds()
    tried_at: int | None = maybe_seconds()
    status: int | None = None
    error: str | None = None


class SessionRow(Base, table=True):
    """Who is logged in to the console, by the digest of a secret."""

    __tablename__ = "sessions"
    __table_args__ = (Index("ix_sessions_key_id", "key_id", "seen"), ONE_TREE)
    session: bytes = Field(primary_key=True)
    key_id: str
    begun: int = seconds()
    seen: int = seconds()
