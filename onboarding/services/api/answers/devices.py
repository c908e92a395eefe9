"""Answers about devices."""

from typing_extensions import TypedDict

from onboarding.services.api.answers.kinds import (
    Digest,
    Document,
    Etag,
    Guid,
    Reason,
    Seconds,
)


class DeviceLineOut(TypedDict):
    """A device as a list shows it."""

    guid: Guid
    previous_guid: Guid | None
    serial: str
    device_info: str
    profile: str
    labels: dict[str, str]
    frozen: bool
    credential: str | None
    weaker: bool
    state: str
    removal: str | None
    imported_at: Seconds
    registered_until: Seconds | None
    owned_at: Seconds | None
    bound_at: Seconds | None
    enrolled_at: Seconds | None
    appraised_at: Seconds | None
    lease_expires: Seconds | None
    released_at: Seconds | None
    withdrawn_at: Seconds | None
    retired_at: Seconds | None


class FailureOut(TypedDict):
    """What did not match; ``type`` names the kind of it."""

    type: str
    message: str


class FullFailureOut(FailureOut):
    """What did not match, beside what was expected and seen."""

    context: str


class AppraisalOut(TypedDict):
    """A verdict, with what was compared to reach it; ``firmware`` is 16 hex digits.

    ``ek_class`` is what had been judged of the endorsement key then; null for verdicts
    from before that was kept.
    """

    id: str
    channel: str
    verdict: str
    compared: list[str]
    failures: list[FullFailureOut]
    ek_class: str | None
    policy: str
    policy_version: int
    policy_digest: Digest
    evidence_digest: Digest
    at: Seconds
    lease_expires: Seconds | None
    clock: int | None
    reset_count: int | None
    restart_count: int | None
    firmware: str | None


class AssuranceOut(TypedDict):
    """How much a device can show of itself, what it cannot, and why that is so."""

    level: str | None
    profile: str | None
    weaker: bool
    because: str
    shows: str
    cannot_show: str


class NoteOut(TypedDict):
    """An oddity of an EK certificate."""

    code: str
    sentence: str


IdentityOut = TypedDict(
    "IdentityOut",
    {"class": str, "reason": str | None, "subject": str, "idevid": bool},
)
"""The maker's word on a device: IAK and IDevID."""

BindingOut = TypedDict(
    "BindingOut",
    {
        "class": str,
        "ek_class": str,
        "ek_reasons": list[str],
        "ek_notes": list[NoteOut],
        "ek_trust": Digest | None,
        "identity": IdentityOut | None,
        "ek_digest": Digest,
        "ek_certificate": bool,
        "ak_alg": str,
        "channel": str,
        "passport_digest": Digest | None,
        "bound_at": Seconds,
    },
)
"""Which TPM a device is, and how that is known."""


class AssignedOut(TypedDict):
    """What was assigned to a device, when, and by whom."""

    manifest: str | None
    manifest_version: int | None
    policy: str | None
    policy_version: int | None
    assigned_at: Seconds
    assigned_by: str


class HeldOut(TypedDict):
    """The policy that counts for a device, and the cohorts that say so."""

    policy: str | None
    version: int | None
    cohorts: list[str]
    contested: bool
    observed: list[str]
    also_version: int | None
    also_until: Seconds | None


class ObservationOut(TypedDict):
    """What a policy that is only observed would have said."""

    cohort: str
    policy: str
    policy_version: int
    would_have: str
    compared: list[str]
    failures: list[FailureOut]
    at: Seconds


class UpdateWindowOut(TypedDict):
    """An update window, and whether the version before counts now."""

    guid: Guid
    policy: str
    old_version: int
    new_version: int
    image: Digest
    open: bool
    opened_at: Seconds
    opened_by: str
    ends_at: Seconds
    closed_at: Seconds | None
    closed_by: str | None
    etag: Etag


class ReleaseOut(TypedDict):
    """A release of a manifest, and what became of it."""

    decision: str
    manifest_digest: Digest
    state: str
    granted_at: Seconds
    released_at: Seconds | None
    withdrawn_at: Seconds | None
    cause: str | None
    removal: str | None


class VerdictOut(TypedDict):
    """What the gate says now: sentences if it is open, else each reason against."""

    allowed: bool
    until: Seconds | None
    reasons: list[str] | list[Reason]


class ModuleResultOut(TypedDict):
    """What a ServiceInfo module reported in the last good TO2."""

    name: str
    ok: bool
    detail: str


class DeviceOut(DeviceLineOut):
    """Everything that is known of one device, and what the gate says now."""

    assurance: AssuranceOut
    binding: BindingOut | None
    channel: str | None
    assignment: AssignedOut | None
    held: HeldOut
    observations: list[ObservationOut]
    update_window: UpdateWindowOut | None
    appraisal: AppraisalOut | None
    releases: list[ReleaseOut]
    decision: VerdictOut
    modules: list[ModuleResultOut]
    inventory: Document | None


class FrozenOut(TypedDict):
    """Whether releases to a device are stopped."""

    guid: Guid
    frozen: bool


class WithdrawnOut(TypedDict):
    """Whether a workload was there to take back."""

    guid: Guid
    withdrawn: bool


class RetiredOut(TypedDict):
    """A device that is asked for nothing any more."""

    guid: Guid
    state: str


class AssignmentOut(TypedDict):
    """What a device shall run, and the policy it is held to."""

    guid: Guid
    manifest: str | None
    version: int | None
    policy: str | None
    policy_version: int | None


class PolicyChoiceOut(TypedDict):
    """The policy that a device is held to."""

    guid: Guid
    policy: str
    version: int


class LabelsOut(TypedDict):
    """All labels of a device."""

    guid: Guid
    labels: dict[str, str]


AgentOut = TypedDict(
    "AgentOut",
    {
        "guid": Guid,
        "channel": str,
        "ek_class": str,
        "class": str,
        "ek_digest": Digest,
    },
)
"""The Keylime agent that speaks for a device now."""
