"""Answers about ServiceInfo: plans, rules, files, what TO2 delivered."""

from pydantic import with_config
from typing_extensions import TypedDict

from onboarding.services.api.answers.kinds import Digest, Document, Etag, Guid, Seconds


class PlanStepOut(TypedDict):
    """One step of a plan."""

    module: str
    required: bool
    seconds: int
    parameters: Document


class PlanOut(TypedDict):
    """A version of a plan."""

    name: str
    version: int
    steps: list[PlanStepOut]
    digest: Digest
    created_at: Seconds
    created_by: str


class PlanVersionsOut(PlanOut):
    """A version of a plan, and which there are."""

    versions: list[int]


class RuleOut(TypedDict):
    """Which plan devices with these labels are given."""

    labels: dict[str, str]
    plan: str
    version: int | None


class DevicePlanOut(TypedDict):
    """Which plan a device's next TO2 runs, and why that one."""

    guid: Guid
    plan: str | None
    version: int | None
    because: str | None


class FileOut(TypedDict):
    """A file that plans send."""

    name: str
    sha256: Digest
    sha384: Digest
    size: int
    added_at: Seconds
    added_by: str
    etag: Etag


@with_config(extra="allow")
class ReceiptOut(TypedDict):
    """What one module reported; beside these members it has the module's own."""

    position: int
    name: str
    required: bool
    offered: bool
    accepted: bool
    ok: bool
    detail: str
    error: str | None
    file: bool


class ReceiptsOut(TypedDict):
    """What each module of a run reported, and where the plan stopped."""

    plan: str | None
    stopped_at: str | None
    error: str | None
    modules: list[ReceiptOut]


class DeliveryOut(ReceiptsOut):
    """What one run of TO2 delivered."""

    run: str
    guid: Guid
    at: Seconds
    completed: bool
