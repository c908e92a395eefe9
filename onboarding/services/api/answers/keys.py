"""Answers about this service's keys."""

from typing_extensions import TypedDict

from onboarding.services.api.answers.kinds import Digest, Guid, Seconds


class KeyOut(TypedDict):
    """The public half of a key, where it is kept, and what it may do."""

    name: str
    kind: str
    algorithm: str
    fingerprint: Digest
    public_pem: str
    certificate_pem: str | None
    custody: str
    state: str
    successor: Digest | None
    reason: str


class OwnerKeyOut(TypedDict):
    """An owner key, and how many vouchers hang on it, by how they do."""

    fingerprint: Digest
    name: str | None
    here: bool
    state: str
    successor: Digest | None
    reason: str
    changed_at: Seconds | None
    changed_by: str | None
    holdings: dict[str, int]


class CheckFailureOut(TypedDict):
    """A check that a voucher fails now."""

    check: str
    reason: str


class HeldVoucherOut(TypedDict):
    """A voucher that hangs on an owner key; ``next`` is what to do about it."""

    guid: Guid
    device: Guid | None
    serial: str
    hold: str
    entries: int | None
    holds: bool
    failures: list[CheckFailureOut]
    next: str | None


class OurKeyOut(TypedDict):
    """One of our owner keys."""

    name: str
    fingerprint: Digest
    state: str


class MatchOut(TypedDict):
    """Which of our keys can take a voucher; ``advice`` is what to tell its seller."""

    index: int
    guid: Guid | None
    key_type: str | None
    owner_fingerprint: Digest | None
    ends_in: OurKeyOut | None
    takers: list[OurKeyOut]
    advice: str


class MatchesOut(TypedDict):
    """One for each voucher of the file."""

    items: list[MatchOut]
