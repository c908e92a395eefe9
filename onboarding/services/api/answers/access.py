"""Answers about API keys and webhooks."""

from typing_extensions import TypedDict

from onboarding.services.api.answers.kinds import Etag, Seconds


class ApiKeyOut(TypedDict):
    """A key without its secret."""

    id: str
    name: str
    role: str
    scopes: list[str]
    labels: dict[str, str]
    lines: list[str]
    created_at: Seconds
    created_by: str
    expires_at: Seconds | None
    revoked_at: Seconds | None
    last_used_at: Seconds | None
    etag: Etag


class NewApiKeyOut(ApiKeyOut):
    """A key that was just made; ``key`` is shown here only."""

    key: str


class WebhookOut(TypedDict):
    """A webhook without its secret; ``seen`` is the last event it was told of."""

    id: str
    url: str
    causes: list[str]
    stopped: str | None
    seen: int
    delivered_at: Seconds | None
    previous_secret_until: Seconds | None
    created_at: Seconds
    created_by: str


class NewWebhookOut(WebhookOut):
    """A webhook with its secret, which is shown here only."""

    secret: str


class WebhookDeliveryOut(TypedDict):
    """An event on its way, or a dead letter; ``status`` is of the last answer."""

    seq: int
    state: str
    attempts: int
    due: Seconds | None
    tried_at: Seconds | None
    status: int | None
    error: str | None


class RedeliveredOut(TypedDict):
    """How many dead letters are sent once more."""

    redelivered: int
