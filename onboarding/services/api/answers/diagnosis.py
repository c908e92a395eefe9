"""Answers about runs of the protocols, and why a device is not onboarded."""

from typing_extensions import TypedDict

from onboarding.services.api.answers.factory import MadeOut
from onboarding.services.api.answers.kinds import Digest, Document, Guid, Seconds
from onboarding.services.api.answers.rendezvous import AttemptOut


class StepOut(TypedDict):
    """A message of a run; alike ones in a row are one."""

    message: int
    at: Seconds
    times: int
    code: int | None


class TraceOut(TypedDict):
    """One run, as far as it came."""

    run: str
    version: int
    protocol: str
    guid: Guid | None
    serial: str | None
    started: Seconds
    updated: Seconds
    messages: int
    done: bool
    proven: bool
    passed: int | None
    passed_name: str | None
    refused: int | None
    refused_name: str | None
    code: int | None
    error: str | None
    told_by: str | None
    steps: list[StepOut]


class SightingOut(TypedDict):
    """A GUID that was asked for in vain: by devices with 30 or 60."""

    guid: Guid
    message: int
    count: int
    first_at: Seconds
    last_at: Seconds


class ForgottenOut(TypedDict):
    """How many runs and sightings were forgotten."""

    forgotten: int


class VoucherSeenOut(TypedDict):
    """A voucher's owner, and where it sends the device."""

    owner: Digest
    key_here: bool
    entries: int
    servers: list[str]


class To0SeenOut(TypedDict):
    """What came of registering the voucher."""

    live: bool
    planned: bool
    error: str | None
    servers: list[AttemptOut]
    registered_here_until: Seconds | None


class RunSeenOut(TypedDict):
    """The newest run, and how many in a row did not end well."""

    seen: bool
    tries: int
    last: TraceOut | None


class FailedModuleOut(TypedDict):
    """A ServiceInfo module that did not succeed."""

    name: str
    detail: str


class DiagnosisOut(TypedDict):
    """Where a device is on its way to its owner, and what to do next.

    ``rendezvous`` is what a rendezvous server said, its ``url``, and the ``error``
    if it said nothing.
    """

    why: str
    next: str
    guid: Guid | None
    guids: list[Guid]
    serial: str | None
    state: str | None
    role: str
    at: Seconds
    voucher: VoucherSeenOut | None
    to0: To0SeenOut
    to1: RunSeenOut | None
    to2: RunSeenOut | None
    binding: str | None
    failed_modules: list[FailedModuleOut]
    made: MadeOut | None
    same_serial: list[Guid]
    asked_in_vain: SightingOut | None
    runs: list[TraceOut]
    rendezvous: Document | None
