"""What a device is to be: its labels, its workload, the policy it is held to."""

from collections.abc import Mapping
from typing import Any

from pydantic import ConfigDict

from onboarding.services import enrolment
from onboarding.services.api.answers.devices import (
    AssignmentOut,
    LabelsOut,
    PolicyChoiceOut,
)
from onboarding.services.api.auth import Caller, Ctx, actor, needs
from onboarding.services.api.conditions import Conditions, When, answered, tag_of
from onboarding.services.api.fields import (
    Body,
    GuidPath,
    Labels,
    Name,
    Version,
    guid_text,
)
from onboarding.services.api.present import present
from onboarding.services.api.routing import api_router
from onboarding.services.api.tagged import Tagged
from onboarding.services.api.within import Reach
from onboarding.services.context import Context
from onboarding.services.device_api.readiness import require_shown
from onboarding.services.errors import Problem
from onboarding.store.apikeys import Role
from onboarding.store.assignments import NOTHING, Choice
from onboarding.store.device_filter import Labels as Fixed
from onboarding.store.errors import NotFound

router = api_router("devices")

READERS = (Role.OPERATOR, Role.SECURITY)


def _versioned(schema: dict[str, Any]) -> None:
    """A manifest that is named is named with its version."""
    schema["anyOf"] = [
        {"properties": {"manifest": {"type": "null"}}},
        {"required": ["version"], "properties": {"version": {"type": "integer"}}},
    ]


class AssignmentIn(Body):
    """Which manifest; null takes the present one away."""

    model_config = ConfigDict(json_schema_extra=_versioned)

    manifest: Name | None
    version: Version | None = None


class PolicyChoice(Body):
    """Which attestation policy; its newest version unless told otherwise."""

    policy: Name
    version: Version | None = None


class LabelsIn(Body):
    """All labels of the device."""

    labels: Labels


@router.get("/devices/{guid}/assignment", **needs(*READERS, labels=Reach.NAMED))
def get_assignment(guid: GuidPath, context: Ctx, when: When) -> Tagged[AssignmentOut]:
    """What the device shall run, and the policy it is held to."""
    raw = present(context, guid)
    choice = _choice(context, raw)
    return answered(_shown(raw, choice), tag_of(choice), when)


@router.put("/devices/{guid}/assignment", **needs(Role.OPERATOR, labels=Reach.NAMED))
def put_assignment(
    guid: GuidPath, body: AssignmentIn, context: Ctx, caller: Caller, when: When
) -> Tagged[AssignmentOut]:
    """Say what the device shall run, once the gate lets it."""
    if body.manifest is not None and body.version is None:
        raise Problem(
            422,
            "version-missing",
            f"Say which version of manifest {body.manifest} is assigned.",
            remedy="GET /api/v1/manifests lists them.",
        )
    raw, now, who = present(context, guid), context.now(), actor(caller)
    assignments, expected = context.stores.assignments, _expected(context, raw, when)
    with when.held():
        if body.manifest is None:
            done = assignments.clear_manifest(raw, who, now, expected)
        else:
            version = str(body.version)
            done = assignments.assign_manifest(
                raw, body.manifest, version, who, now, expected
            )
    return answered(_shown(raw, done.choice), tag_of(done.choice))


@router.put(
    "/devices/{guid}/policy", **needs(Role.SECURITY, Role.OPERATOR, labels=Reach.NAMED)
)
def put_policy(
    guid: GuidPath, body: PolicyChoice, context: Ctx, caller: Caller, when: When
) -> Tagged[PolicyChoiceOut]:
    """Hold the device to an attestation policy from now on."""
    raw, now = present(context, guid), context.now()
    expected = _expected(context, raw, when)
    version = body.version or context.stores.policies.get(body.policy).version
    require_shown(context.stores, raw, body.policy, version)
    with when.held():
        done = context.stores.assignments.assign_policy(
            raw, body.policy, version, actor(caller), now, expected
        )
    enrolment.plan_for(context, (raw,))
    shown: PolicyChoiceOut = {
        "guid": guid_text(raw),
        "policy": body.policy,
        "version": version,
    }
    return answered(shown, tag_of(done.choice))


@router.get("/devices/{guid}/labels", **needs(*READERS, labels=Reach.NAMED))
def get_labels(guid: GuidPath, context: Ctx, when: When) -> Tagged[LabelsOut]:
    """The device's labels."""
    device = context.stores.devices.get(present(context, guid))
    labels = dict(device.labels)
    shown: LabelsOut = {"guid": guid_text(device.guid), "labels": labels}
    return answered(shown, tag_of(labels), when)


@router.put("/devices/{guid}/labels", **needs(Role.OPERATOR, labels=Reach.NAMED))
def put_labels(
    guid: GuidPath, body: LabelsIn, context: Ctx, caller: Caller, when: When
) -> Tagged[LabelsOut]:
    """Replace the device's labels."""
    raw, devices = present(context, guid), context.stores.devices
    within = caller.limits.labels
    _require_kept(body.labels, within)
    before = None
    if when.stated:
        before = dict(devices.get(raw).labels)
        when.require(tag_of(before))
    with when.held():
        devices.describe(
            raw,
            actor(caller),
            context.now(),
            labels=body.labels,
            instead_of=before,
            within=within,
        )
    enrolment.plan_for(context, (raw,))  # other labels, other cohorts
    shown: LabelsOut = {"guid": guid_text(raw), "labels": body.labels}
    return answered(shown, tag_of(body.labels))


def _require_kept(labels: Mapping[str, str], within: Fixed) -> None:
    """Refuse labels by which a device would leave, or enter, a key's own sight."""
    if not {*within} <= {*labels.items()}:
        raise Problem(
            403,
            "scope-refused",
            "The device would lose a label that this key is limited to.",
            remedy=f"Keep {', '.join(f'{name}={value}' for name, value in within)}.",
        )


def _choice(context: Context, raw: bytes) -> Choice:
    try:
        return context.stores.assignments.get(raw).choice
    except NotFound:
        return NOTHING


def _expected(context: Context, raw: bytes, when: Conditions) -> Choice | None:
    """What an assignment is to meet; None if anything will do. Raises Problem."""
    if not when.stated:
        return None
    choice = _choice(context, raw)
    when.require(tag_of(choice), exists=choice != NOTHING)
    return choice


def _shown(raw: bytes, choice: Choice) -> AssignmentOut:
    manifest, version, policy, policy_version = choice
    return {
        "guid": guid_text(raw),
        "manifest": manifest,
        "version": None if version is None else int(version),
        "policy": policy,
        "policy_version": policy_version,
    }
