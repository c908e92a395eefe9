"""ServiceInfo plans: what TO2 does with devices, and which device is given which."""

import hashlib
from typing import Annotated, cast

from fastapi import Path, Query, Response
from pydantic import Field

from onboarding.services.api.answers.kinds import Listed, listed
from onboarding.services.api.answers.service_info import (
    DevicePlanOut,
    PlanOut,
    PlanVersionsOut,
    RuleOut,
)
from onboarding.services.api.auth import Caller, Ctx, actor, needs
from onboarding.services.api.conditions import When, answered, tag_of
from onboarding.services.api.fields import (
    MAX_INT,
    Body,
    BytesCursor,
    GuidPath,
    Limit,
    Line,
    Name,
    NameCursor,
    Version,
    guid_text,
)
from onboarding.services.api.paging import after, paged
from onboarding.services.api.present import present
from onboarding.services.api.routing import STORES, api_router
from onboarding.services.api.tagged import Tagged
from onboarding.services.api.within import Reach
from onboarding.services.context import Context
from onboarding.services.errors import Problem
from onboarding.services.serviceinfo.plan import PlanDocument
from onboarding.services.serviceinfo.plans import Plans, read_document
from onboarding.store.apikeys import Role
from onboarding.store.errors import NotFound
from onboarding.store.module_plans import PlanRecord
from onboarding.store.pages import Page
from onboarding.store.plan_rules import MAX_LABELS, PlanRule, Rules

router = api_router("service-info")

READERS = (Role.OPERATOR, Role.SECURITY)
NamePath = Annotated[Name, Path()]
VersionQuery = Annotated[int | None, Query(ge=1, le=MAX_INT)]


class PlanIn(PlanDocument):
    """A plan; ``version`` may be left out: the next one is taken."""

    name: Name
    version: Version | None = None


class RuleIn(Body):
    """Devices with all of these labels, or every device if there is none.

    ``plan`` null takes the rule away; ``version`` null is the plan's newest.
    """

    labels: Annotated[
        dict[Name, Line],
        Field(
            default_factory=dict,
            max_length=MAX_LABELS,
            json_schema_extra={"additionalProperties": False},
        ),
    ]
    plan: Name | None
    version: Version | None = None


class DevicePlanIn(Body):
    """A plan for one device; null leaves it to the rules again."""

    plan: Name | None
    version: Version | None = None


@router.get("/service-info/plans", **needs(*READERS))
def list_plans(
    context: Ctx, limit: Limit = 100, cursor: NameCursor = None
) -> Listed[PlanOut]:
    """Each plan in its newest version."""
    newest = context.stores.module_plans.newest()
    return listed(paged(newest, lambda one: one.name, cursor, limit), _shown)


@router.post("/service-info/plans", **STORES, **needs(Role.OPERATOR))
def post_plan(
    body: PlanIn, context: Ctx, caller: Caller, response: Response
) -> PlanOut:
    """Check and store the next version; the newest one again is no change."""
    plans, store = Plans(context), context.stores.module_plans
    document = PlanDocument(steps=body.steps).pinned(plans.files)
    newest = _newest(context, body.name)
    encoded = document.encode()
    same = newest is not None and newest.body == encoded
    last = 0 if newest is None else newest.version
    version = body.version or (last if same else last + 1)
    try:
        plans.check(body.name, version, document)
    except ValueError as error:
        raise Problem(422, "plan-refused", f"{error}.") from error
    digest = hashlib.sha256(encoded).digest()
    record = PlanRecord(
        body.name, version, digest, encoded, context.now(), actor(caller)
    )
    response.status_code = 201 if store.add(record) else 200
    return _shown(store.get(body.name, version))


@router.get("/service-info/plans/{name}", **needs(*READERS))
def get_plan(
    name: NamePath, context: Ctx, version: VersionQuery = None
) -> PlanVersionsOut:
    """One version, the newest unless told otherwise, and which there are."""
    store = context.stores.module_plans
    return {**_shown(store.get(name, version)), "versions": list(store.versions(name))}


@router.get("/service-info/rules", **needs(*READERS))
def list_rules(
    context: Ctx, when: When, limit: Limit = 100, cursor: BytesCursor = None
) -> Tagged[Listed[RuleOut]]:
    """Which devices are given which plan, in the order in which rules are tried.

    The ETag is that of all rules, whichever page it is.
    """
    rules = context.stores.plan_rules.rules()
    page = after(rules, lambda one: one.key, cursor, limit)
    return answered(listed(page, _shown_rule), _rules_tag(rules), when)


@router.put("/service-info/rules", **needs(Role.OPERATOR))
def put_rule(
    body: RuleIn, context: Ctx, caller: Caller, when: When
) -> Tagged[Listed[RuleOut]]:
    """Set or take away the rule for devices with these labels, from the next TO2 on.

    Answers with the rules as they are then, all of them.
    """
    rules, who, now = context.stores.plan_rules, actor(caller), context.now()
    before = rules.rules()
    with when.meeting(before, _rules_tag(before)) as seen:
        if body.plan is None:
            rules.drop_rule(body.labels, who, now, seen)
        else:
            rule = PlanRule(body.labels, body.plan, body.version)
            rules.set_rule(rule, who, now, seen)
    stored = rules.rules()
    shown = listed(Page(stored, None), _shown_rule)
    return answered(shown, _rules_tag(stored))


@router.get("/devices/{guid}/service-info", **needs(*READERS, labels=Reach.NAMED))
def get_device_plan(guid: GuidPath, context: Ctx, when: When) -> Tagged[DevicePlanOut]:
    """Which plan the device's next TO2 runs, and why that one."""
    shown = _of_device(context, present(context, guid))
    return answered(shown, tag_of(shown), when)


@router.put("/devices/{guid}/service-info", **needs(Role.OPERATOR, labels=Reach.NAMED))
def put_device_plan(
    guid: GuidPath, body: DevicePlanIn, context: Ctx, caller: Caller, when: When
) -> Tagged[DevicePlanOut]:
    """Give the device a plan of its own, from the next TO2 on."""
    raw, rules = present(context, guid), context.stores.plan_rules
    seen = when.seen(rules.given(raw), tag_of(_of_device(context, raw)))
    with when.held():
        rules.set_device(
            raw, body.plan, body.version, actor(caller), context.now(), seen
        )
    shown = _of_device(context, raw)
    return answered(shown, tag_of(shown))


def _of_device(context: Context, raw: bytes) -> DevicePlanOut:
    chosen = context.stores.plan_rules.choose(raw)
    if chosen is None:
        return {"guid": guid_text(raw), "plan": None, "version": None, "because": None}
    return {
        "guid": guid_text(raw),
        "plan": chosen.plan,
        "version": chosen.version,
        "because": _because(chosen.cause),
    }


def _because(cause: str) -> str:
    if cause == "device":
        return "it is this device's own"
    return f"of the rule for labels {cause}" if cause else "of the rule for all"


def _newest(context: Context, name: str) -> PlanRecord | None:
    try:
        return context.stores.module_plans.get(name)
    except NotFound:
        return None


def _rules_tag(rules: Rules) -> str:
    return tag_of([_shown_rule(one) for one in rules])


def _shown_rule(one: PlanRule) -> RuleOut:
    return {"labels": dict(one.labels), "plan": one.plan, "version": one.version}


def _shown(one: PlanRecord) -> PlanOut:
    said = {
        "name": one.name,
        "version": one.version,
        **read_document(one).model_dump(mode="json"),
        "digest": one.digest.hex(),
        "created_at": one.created_at,
        "created_by": one.created_by,
    }
    return cast(PlanOut, said)
