"""Answers about policies, cohorts, learning and manifests."""

from pydantic import with_config
from typing_extensions import TypedDict

from onboarding.services.api.answers.kinds import Digest, Document, Guid, Seconds


class CohortOut(TypedDict):
    """Devices by labels, and the policy that is observed or enforced on them."""

    name: str
    labels: dict[str, str]
    policy: str
    version: int
    mode: str
    changed_at: Seconds
    changed_by: str


class MemberOut(TypedDict):
    """A device that would not pass."""

    guid: Guid
    serial: str
    standing: str
    observed_at: Seconds | None
    failures: list[str]


class CohortPreview(TypedDict, total=False):
    """Who passes, and the digest to enforce it by."""

    counts: dict[str, int]
    not_passing: list[MemberOut]
    preview: Digest


class CohortSeenOut(CohortOut, CohortPreview):
    """A cohort; while it is observed, its preview as well."""


class CohortUpdateOut(CohortOut):
    """A cohort that moves on, how many windows were opened, and until when."""

    windows: int
    ends_at: Seconds


@with_config(extra="allow")
class PolicyOut(TypedDict):
    """A version of a policy: the document as it was given, and who stored it.

    Beside these members it has those of its kind, as in what is posted.
    """

    name: str
    version: int
    kind: str
    digest: Digest
    created_at: Seconds
    created_by: str


@with_config(extra="allow")
class PolicyVersionsOut(PolicyOut):
    """A version of a policy, and which there are."""

    versions: list[int]


class PolicyDiffOut(TypedDict):
    """What changed between two versions, as lines of text."""

    name: str
    version: int
    against: int | None
    changes: list[str]


class LearningOut(TypedDict):
    """What a device was asked to show, and what it has shown."""

    asked_at: Seconds
    asked_by: str
    shown_at: Seconds | None
    bank: str | None
    pcrs: dict[str, str]
    boot_log_bytes: int


class DraftOut(TypedDict):
    """The next version of a policy as a device shows it; nothing is stored."""

    policy: Document
    digest: Digest
    against: int | None
    changes: list[str]
    runtime_policy: str | None


class RuntimePolicyOut(TypedDict):
    """What names a runtime policy, and how large it is."""

    digest: Digest
    bytes: int


class ManifestOut(TypedDict):
    """A version of a manifest without its files."""

    name: str
    version: int
    kind: str
    digest: Digest
    created_at: Seconds
    created_by: str
