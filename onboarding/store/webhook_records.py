"""Webhooks and their deliveries as values."""

from dataclasses import dataclass, field

from onboarding.store.direct import Row


@dataclass(frozen=True, slots=True)
class Webhook:
    """Who is told of events whose cause begins with one of ``causes``.

    ``secret`` is sealed, as is ``previous``, which signs as well until a time.
    ``disabled`` says why nothing is sent. Events up to ``cursor`` were looked at.
    """

    id: str
    url: str = field(repr=False)
    causes: tuple[str, ...]
    secret: bytes = field(repr=False)
    previous: bytes | None = field(repr=False)
    previous_until: int | None
    cursor: int = field(compare=False)
    disabled: str | None
    delivered_at: int | None = field(compare=False)
    created_at: int
    created_by: str


@dataclass(frozen=True, slots=True)
class Claim:
    """A delivery that is this worker's until ``until``; ``attempt`` counts from 1."""

    webhook: str
    seq: int
    attempt: int
    until: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event on its way, or ``dead``: given up; ``due`` is when it is tried next."""

    webhook: str
    seq: int
    dead: bool
    attempts: int
    due: int
    tried_at: int | None
    status: int | None
    error: str | None


def webhook_of(row: Row) -> Webhook:
    """The webhook of a row, its columns in the order of the fields."""
    return Webhook(row[0], row[1], tuple(row[2].split()), *row[3:])


def delivery_of(row: Row) -> Delivery:
    """Likewise a delivery."""
    return Delivery(row[0], row[1], bool(row[2]), *row[3:])
