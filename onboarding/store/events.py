"""The audit log's link: each event holds the digest of the one before it.

Appending is one function over a plain connection, so that it joins whatever
transaction makes the change. Callers append last: the log's head is a lock.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from attestation.audit_log import GENESIS, LoggedEvent
from onboarding.store.direct import Connection, Sql
from onboarding.store.errors import ChainBroken, InvalidRecord

__all__ = ["GENESIS", "Event", "LoggedEvent", "append"]

_DETAIL_LIMIT = 16 * 1024

_HEAD = Sql("SELECT seq, digest FROM event_head WHERE id = 1", " FOR UPDATE")
_INSERT = Sql(
    "INSERT INTO events (seq, guid, cause, actor, at, evidence_digest, detail, "
    "previous, digest) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_ADVANCE = Sql("UPDATE event_head SET seq = ?, digest = ? WHERE id = 1")


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, who caused it, and what proves it.

    ``cause`` is a dotted name such as ``ownership.taken``; ``actor`` names a
    person's key, a device or one of our tasks; ``detail`` goes to JSON.
    """

    cause: str
    actor: str
    at: int
    guid: bytes | None = None
    evidence_digest: bytes | None = None
    detail: Mapping[str, object] = field(default_factory=dict)


def append(connection: Connection, *events: Event) -> None:
    """Add events, in their order, inside the open transaction.

    Raises:
        InvalidRecord: A detail is over 16 KiB of JSON, or no JSON at all.
        ChainBroken: The log has lost its head.
    """
    head = connection.rows(_HEAD)
    if not head:
        raise ChainBroken("the audit log has no head; restore it from a backup")
    seq, digest = head[0]
    for event in events:
        seq, digest = _link(connection, event, seq, digest)
    connection.count(_ADVANCE, (seq, digest))


def _link(
    connection: Connection, event: Event, seq: int, previous: bytes
) -> tuple[int, bytes]:
    """Insert one event after the one that ended the log; return the new end."""
    detail = _json(event.detail)
    link = LoggedEvent(
        seq + 1,
        event.guid,
        event.cause,
        event.actor,
        event.at,
        event.evidence_digest,
        detail,
        previous,
        b"",
    )
    digest = link.computed_digest()
    connection.count(
        _INSERT,
        (
            link.seq,
            link.guid,
            link.cause,
            link.actor,
            link.at,
            link.evidence_digest,
            detail,
            previous,
            digest,
        ),
    )
    return link.seq, digest


def _json(detail: Mapping[str, object]) -> str:
    try:
        text = json.dumps(detail, sort_keys=True, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise InvalidRecord("an event's detail must be JSON") from error
    if len(text) > _DETAIL_LIMIT:
        raise InvalidRecord(f"an event's detail has {len(text)} bytes, over 16 KiB")
    return text
