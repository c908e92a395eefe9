"""What people do to a device: assign, hold to a policy, freeze, withdraw."""

from typing import Annotated

from pydantic import Field

from attestation.appraisal import Channel
from onboarding.services import enrolment, reconcile
from onboarding.services.api.auth import Caller, Ctx, actor, needs
from onboarding.services.api.fields import (
    MAX_INT,
    Body,
    GuidPath,
    JsonObject,
    Line,
    Name,
    Text,
    guid_text,
    parse_guid,
)
from onboarding.services.api.routing import api_router
from onboarding.services.context import Context
from onboarding.services.errors import Problem
from onboarding.services.gate import Gate
from onboarding.services.withdrawing import Withdrawals
from onboarding.store.apikeys import Role
from onboarding.store.errors import NotFound

router = api_router("devices")

Version = Annotated[int, Field(ge=1, le=MAX_INT)]


class AssignmentIn(Body):
    """Which manifest; null takes the present one away."""

    manifest: Name | None
    version: Version | None = None


class PolicyChoice(Body):
    """Which attestation policy; its newest version unless told otherwise."""

    policy: Name
    version: Version | None = None


class FreezeIn(Body):
    """Whether releases to the device are stopped, and why."""

    frozen: bool
    reason: Text


class LabelsIn(Body):
    """All labels of the device."""

    labels: Annotated[dict[Name, Line], Field(max_length=64)]


class ReasonIn(Body):
    """Why."""

    reason: Text


@router.put("/devices/{guid}/assignment", **needs(Role.OPERATOR))
def put_assignment(
    guid: GuidPath, body: AssignmentIn, context: Ctx, caller: Caller
) -> JsonObject:
    """Say what the device shall run, once the gate lets it."""
    if body.manifest is not None and body.version is None:
        raise Problem(
            422,
            "version-missing",
            f"Say which version of manifest {body.manifest} is assigned.",
            remedy="GET /api/v1/manifests lists them.",
        )
    raw, now, who = _present(context, guid), context.now(), actor(caller)
    if body.manifest is None:
        context.stores.assignments.clear_manifest(raw, who, now)
        return {"guid": guid_text(raw), "manifest": None, "version": None}
    context.stores.assignments.assign_manifest(
        raw, body.manifest, str(body.version), who, now
    )
    return {
        "guid": guid_text(raw),
        "manifest": body.manifest,
        "version": body.version,
    }


@router.put("/devices/{guid}/policy", **needs(Role.SECURITY, Role.OPERATOR))
def put_policy(
    guid: GuidPath, body: PolicyChoice, context: Ctx, caller: Caller
) -> JsonObject:
    """Hold the device to an attestation policy from now on."""
    raw, now = _present(context, guid), context.now()
    version = body.version or context.stores.policies.get(body.policy).version
    context.stores.assignments.assign_policy(
        raw, body.policy, version, actor(caller), now
    )
    if _on_push(context, raw):
        enrolment.plan(context.stores, raw, now)
        reconcile.plan(context.stores, raw, now)
    return {"guid": guid_text(raw), "policy": body.policy, "version": version}


@router.put("/devices/{guid}/labels", **needs(Role.OPERATOR))
def put_labels(
    guid: GuidPath, body: LabelsIn, context: Ctx, caller: Caller
) -> JsonObject:
    """Replace the device's labels."""
    raw = _present(context, guid)
    context.stores.devices.describe(
        raw, actor(caller), context.now(), labels=body.labels
    )
    return {"guid": guid_text(raw), "labels": body.labels}


@router.put("/devices/{guid}/freeze", **needs(Role.OPERATOR, Role.SECURITY))
def put_freeze(
    guid: GuidPath, body: FreezeIn, context: Ctx, caller: Caller
) -> JsonObject:
    """Stop releases to the device, or let them go on; what runs is left alone."""
    raw = _present(context, guid)
    context.stores.devices.freeze(
        raw, body.frozen, body.reason, actor(caller), context.now()
    )
    return {"guid": guid_text(raw), "frozen": body.frozen}


@router.post("/devices/{guid}/withdraw", **needs(Role.OPERATOR, Role.SECURITY))
def withdraw(
    guid: GuidPath, body: ReasonIn, context: Ctx, caller: Caller
) -> JsonObject:
    """Take the workload back, and release nothing until the freeze is lifted."""
    raw, who = _present(context, guid), actor(caller)
    context.stores.devices.freeze(raw, True, body.reason, who, context.now())
    taken = Withdrawals(context, Gate(context)).withdraw(raw, body.reason, who)
    return {"guid": guid_text(raw), "withdrawn": taken}


@router.post("/devices/{guid}/retire", **needs(Role.OPERATOR))
def retire(guid: GuidPath, body: ReasonIn, context: Ctx, caller: Caller) -> JsonObject:
    """The device was sold or scrapped: it is asked for nothing any more."""
    raw, who = _present(context, guid), actor(caller)
    context.stores.devices.retire(raw, body.reason, who, context.now())
    return {"guid": guid_text(raw), "state": "retired"}


def _present(context: Context, guid: str) -> bytes:
    """The GUID that a device has now, whichever of its GUIDs was named."""
    return context.stores.devices.get(parse_guid(guid).raw).guid


def _on_push(context: Context, raw: bytes) -> bool:
    try:
        binding = context.stores.bindings.get(raw)
    except NotFound:
        return False
    enrolled = context.stores.devices.get(raw).facts.enrolled_at is not None
    return enrolled and binding.channel == Channel.PUSH.value
