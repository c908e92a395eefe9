"""Answers about the audit log and release decisions."""

from typing_extensions import TypedDict

from onboarding.services.api.answers.kinds import (
    Digest,
    Document,
    Guid,
    Reason,
    Seconds,
)


class EventOut(TypedDict):
    """An event of the audit log; ``digest`` covers it and all before it."""

    seq: int
    at: Seconds
    cause: str
    actor: str
    guid: Guid | None
    detail: Document
    evidence_digest: Digest | None
    digest: Digest


class CheckpointOut(TypedDict):
    """Where the log stood when it was signed, and by which key."""

    seq: int
    digest: Digest
    at: Seconds
    key_fingerprint: Digest


class DecisionOut(TypedDict):
    """A release decision; ``record`` is all that it was made from."""

    id: str
    guid: Guid
    allowed: bool
    at: Seconds
    reasons: list[Reason]
    policy_digest: Digest
    manifest_digest: Digest | None
    record: Document
