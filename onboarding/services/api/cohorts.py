"""Cohorts: a policy by label, observed first, then enforced; and update windows."""

import hmac
from contextlib import nullcontext
from typing import Annotated, cast

from fastapi import Path, Query, Response
from pydantic import Field

from attestation.cohort import MAX_LABELS, Cohort, Mode
from onboarding.services import enrolment, rows
from onboarding.services.api.answers.devices import UpdateWindowOut
from onboarding.services.api.answers.kinds import Listed, listed
from onboarding.services.api.answers.policies import (
    CohortOut,
    CohortPreview,
    CohortSeenOut,
    CohortUpdateOut,
    MemberOut,
)
from onboarding.services.api.auth import Caller, Ctx, actor, needs
from onboarding.services.api.conditions import When, answered, record_tag, tag_of
from onboarding.services.api.fields import (
    Body,
    BytesCursor,
    Fingerprint,
    GuidPath,
    Limit,
    Line,
    Name,
    NameCursor,
    Version,
    guid_text,
)
from onboarding.services.api.hold_view import shown_window
from onboarding.services.api.paging import paged
from onboarding.services.api.present import present
from onboarding.services.api.routing import api_router
from onboarding.services.api.tagged import Tagged
from onboarding.services.api.within import Reach
from onboarding.services.context import Context
from onboarding.services.errors import Problem
from onboarding.services.rollout import (
    MAX_LISTED,
    Preview,
    Standing,
    preview,
    require_carried,
)
from onboarding.store.apikeys import Role
from onboarding.store.cohorts import CohortRecord
from onboarding.store.errors import NotFound
from onboarding.store.observations import Member
from onboarding.store.update_windows import CANCELLED

router = api_router("policies")

READERS = (Role.OPERATOR, Role.SECURITY)
NamePath = Annotated[Name, Path()]
NotPassing = Annotated[int, Query(ge=1, le=MAX_LISTED)]
MAX_WINDOW = 30 * 24 * 3600


class CohortIn(Body):
    """Which devices, by all of their ``labels``, and which policy to observe on them.

    The policy's newest version unless told otherwise.
    """

    labels: Annotated[
        dict[Name, Line],
        Field(
            min_length=1,
            max_length=MAX_LABELS,
            json_schema_extra={"additionalProperties": False},
        ),
    ]
    policy: Name
    version: Version | None = None


class EnforceIn(Body):
    """The digest of the preview that was looked at."""

    preview: Fingerprint


class UpdateIn(Body):
    """To which version, by which OS image (SHA-256), and how long at most."""

    version: Version
    image: Fingerprint
    seconds: Annotated[int, Field(ge=60, le=MAX_WINDOW, strict=True)]


@router.get("/cohorts", **needs(*READERS))
def list_cohorts(
    context: Ctx, limit: Limit = 100, cursor: NameCursor = None
) -> Listed[CohortOut]:
    """Every cohort by name."""
    known = context.stores.cohorts.all()
    return listed(paged(known, lambda one: one.cohort.name, cursor, limit), _shown)


@router.put("/cohorts/{name}", **needs(Role.SECURITY))
def put_cohort(
    name: NamePath, body: CohortIn, context: Ctx, caller: Caller, when: When
) -> Tagged[CohortOut]:
    """Have a policy observed on the devices with these labels; it withdraws nothing."""
    version = body.version or context.stores.policies.get(body.policy).version
    cohort = Cohort(name, body.labels, body.policy, version)
    cohorts, before = context.stores.cohorts, _found(context, name)
    seen = when.seen(before, tag_of(before and _shown(before)))
    if before is not None and before.cohort.mode is Mode.ENFORCE:
        seen = None  # what the store refuses by itself, and better than by its tag
    with when.held() if seen else nullcontext():
        made = cohorts.observe(cohort, actor(caller), context.now(), seen)
    return answered(_shown(made), tag_of(_shown(made)))


@router.get("/cohorts/{name}", **needs(*READERS))
def get_cohort(
    name: NamePath, context: Ctx, limit: NotPassing = 100
) -> Tagged[CohortSeenOut]:
    """One cohort: who would pass, and up to ``limit`` of those who would not.

    The ETag is that of the cohort itself, whoever passes.
    Once it enforces, nothing is observed of it any more: then see its appraisals.
    """
    found = context.stores.cohorts.get(name)
    shown = _shown(found)
    if found.cohort.mode is not Mode.OBSERVE:
        return answered(cast(CohortSeenOut, shown), tag_of(shown))
    seen = _previewed(preview(context, found.cohort, limit))
    return answered(cast(CohortSeenOut, {**shown, **seen}), tag_of(shown))


@router.post("/cohorts/{name}/enforce", **needs(Role.SECURITY))
def enforce_cohort(
    name: NamePath, body: EnforceIn, context: Ctx, caller: Caller
) -> CohortOut:
    """Hold the cohort's devices to its policy, once its preview was looked at."""
    found = context.stores.cohorts.get(name).cohort
    seen = preview(context, found)
    if not hmac.compare_digest(seen.digest, body.preview):
        raise Problem(
            409,
            "preview-changed",
            "Other devices would fail now than when it was looked at.",
            remedy=f"GET /api/v1/cohorts/{name} again.",
        )
    require_carried(context, found, found.version)
    done = context.stores.cohorts.enforce(found, actor(caller), context.now())
    _plan_for_all(context, found)
    return _shown(done)


@router.post("/cohorts/{name}/update", **needs(Role.SECURITY))
def update_cohort(
    name: NamePath, body: UpdateIn, context: Ctx, caller: Caller
) -> CohortUpdateOut:
    """Hold an enforcing cohort to another version, and for a while to either.

    A device's window ends when it reports the image, or when the time is over.
    """
    found = context.stores.cohorts.get(name).cohort
    _require_comparable(context, found, body.version)
    require_carried(context, found, body.version)
    now = context.now()
    opened = context.stores.cohorts.update(
        found,
        body.version,
        bytes.fromhex(body.image),
        now + body.seconds,
        actor(caller),
        now,
    )
    _plan_for_all(context, found)
    shown = _shown(context.stores.cohorts.get(name))
    return {**shown, "windows": opened, "ends_at": now + body.seconds}


@router.delete("/cohorts/{name}", status_code=204, **needs(Role.SECURITY))
def delete_cohort(name: NamePath, context: Ctx, caller: Caller, when: When) -> Response:
    """End a cohort: its devices are held to what else is assigned to them."""
    found = context.stores.cohorts.get(name)
    seen = when.seen(found, tag_of(_shown(found)))
    with when.held():
        context.stores.cohorts.remove(name, actor(caller), context.now(), seen)
    _plan_for_all(context, found.cohort)
    return Response(status_code=204)


@router.get("/updates", **needs(*READERS, labels=Reach.OWN))
def list_updates(
    context: Ctx, caller: Caller, limit: Limit = 100, cursor: BytesCursor = None
) -> Listed[UpdateWindowOut]:
    """Devices whose update window is open, by GUID."""
    now, within = context.now(), caller.limits.labels
    page = context.stores.update_windows.page(now, cursor, limit, within)
    items = [shown_window(one, now) for one in page.items]
    return {"items": items, "next": page.cursor}


@router.delete("/devices/{guid}/update", **needs(Role.SECURITY, labels=Reach.NAMED))
def end_update(
    guid: GuidPath, context: Ctx, caller: Caller, when: When
) -> UpdateWindowOut:
    """End a device's update window before its time: only the new version counts."""
    raw, windows = present(context, guid), context.stores.update_windows
    before = windows.find(raw)
    tag = tag_of(None) if before is None else record_tag(before)
    with when.meeting(before, tag) as seen:
        windows.close(raw, CANCELLED, actor(caller), context.now(), seen)
    enrolment.plan_for(context, (raw,))
    window = windows.find(raw)
    assert window is not None  # noqa: S101 - it was closed a line above
    return shown_window(window, context.now())


def _plan_for_all(context: Context, cohort: Cohort) -> None:
    members = context.stores.observations.members(cohort)
    enrolment.plan_for(context, (one.guid for one in members))


def _require_comparable(context: Context, cohort: Cohort, version: int) -> None:
    """Refuse a window whose versions one quote cannot serve. Raises Problem."""
    if version == cohort.version:
        raise Problem(409, "conflict", f"Version {version} is the present one.")
    get = context.stores.policies.get
    old = rows.attestation_policy(get(cohort.policy, cohort.version))
    new = rows.attestation_policy(get(cohort.policy, version))
    if old.bank != new.bank:
        raise Problem(
            409,
            "other-bank",
            f"One quote is over {old.bank} or over {new.bank}, not both.",
            remedy="Draft the new version in the bank of the present one.",
        )


def _found(context: Context, name: str) -> CohortRecord | None:
    try:
        return context.stores.cohorts.get(name)
    except NotFound:
        return None


def _shown(one: CohortRecord) -> CohortOut:
    cohort = one.cohort
    return {
        "name": cohort.name,
        "labels": dict(cohort.labels),
        "policy": cohort.policy,
        "version": cohort.version,
        "mode": cohort.mode.value,
        "changed_at": one.changed_at,
        "changed_by": one.changed_by,
    }


def _previewed(seen: Preview) -> CohortPreview:
    counts = {one.value.replace("-", "_"): seen.counts[one] for one in Standing}
    listed = [_member(standing, one) for standing, one in seen.in_the_way]
    return {"counts": counts, "not_passing": listed, "preview": seen.digest}


def _member(standing: Standing, one: Member) -> MemberOut:
    seen = one.observation
    return {
        "guid": guid_text(one.guid),
        "serial": one.serial,
        "standing": standing.value,
        "observed_at": None if seen is None else seen.at,
        "failures": [] if seen is None else [each.message for each in seen.failures],
    }
