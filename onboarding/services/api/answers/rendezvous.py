"""Answers about rendezvous: registrations, servers, where devices are sent."""

from typing_extensions import TypedDict

from onboarding.services.api.answers.kinds import Digest, Document, Guid, Seconds


class RegistrationsOut(TypedDict):
    """How many registrations are live."""

    live: int


class OwnerShareOut(TypedDict):
    """What an owner's key holds, and may hold."""

    fingerprint: Digest
    held: int
    quota: int
    verdict: str | None


class KeyRuleOut(TypedDict):
    """A rule for one key."""

    holder: str
    fingerprint: Digest
    verdict: str | None
    quota: int | None
    reason: str
    set_at: Seconds
    set_by: str


class TaggedKeyRuleOut(KeyRuleOut):
    """A rule for one key, and its ETag."""

    etag: str


class RvServerOut(TypedDict):
    """A rendezvous server, and how it answered last."""

    server: str
    circuit: str
    failures: int
    error: str | None
    failed_at: Seconds | None
    answered_at: Seconds | None
    open_until: Seconds | None


class RvInfoOut(TypedDict):
    """What new vouchers tell devices and owners to try."""

    directives: list[Document]
    cbor_hex: str


class AddressOut(TypedDict):
    """One address of this owner."""

    dns: str | None
    ip: str | None
    port: int
    protocol: str


class AddressesOut(TypedDict):
    """Where this owner's devices are sent, in order of preference."""

    addresses: list[AddressOut]


class AttemptOut(TypedDict):
    """How one rendezvous server answered last; ``due`` is when it is tried next."""

    server: str
    at: Seconds
    failures: int
    error: str
    granted: int
    until: Seconds
    due: Seconds
    waits: int
    live: bool


class ServerAttemptOut(AttemptOut):
    """The same, and whether the server is tried just now."""

    circuit: str


class AnnouncedOut(TypedDict):
    """A device that is announced, or is about to be."""

    guid: Guid
    state: str
    due: Seconds
    error: str | None
    servers: list[ServerAttemptOut]


class BacklogOut(TypedDict):
    """How many announcements there are, are due, and failed last time."""

    planned: int
    due: int
    failing: int


class To0Out(TypedDict):
    """A page of announcements, and how many there are in all."""

    items: list[AnnouncedOut]
    live: int
    backlog: BacklogOut
    next: str | None


class PlannedOut(TypedDict):
    """A device that is registered as soon as may be."""

    guid: Guid
    planned: bool
