"""Which keys a rendezvous server allows, denies, or holds to a quota of their own."""

from typing import Annotated

from fastapi import Path, Response
from pydantic import Field

from onboarding.services.api.answers.kinds import Listed, listed
from onboarding.services.api.answers.rendezvous import KeyRuleOut, TaggedKeyRuleOut
from onboarding.services.api.auth import Caller, Ctx, actor, needs
from onboarding.services.api.conditions import When, answered, tag_of
from onboarding.services.api.fields import (
    Body,
    BytesCursor,
    Fingerprint,
    Limit,
    Line,
)
from onboarding.services.api.routing import api_router
from onboarding.services.api.tagged import Tagged
from onboarding.services.context import Context
from onboarding.store.apikeys import Role
from onboarding.store.errors import NotFound
from onboarding.store.key_rules import MAX_QUOTA, Holder, KeyRule, Verdict

router = api_router("rendezvous")

KeyPath = Annotated[Fingerprint, Path()]


Quota = Annotated[int, Field(ge=0, le=MAX_QUOTA, strict=True)]


class VerdictIn(Body):
    """A verdict, with a quota or without; and why, for the record.

    A manufacturer's key can only be denied, and has no quota.
    """

    verdict: Verdict
    quota: Quota | None = None
    reason: Line = ""


class QuotaIn(Body):
    """A quota of live registrations alone; and why, for the record."""

    verdict: None = None
    quota: Quota
    reason: Line = ""


@router.get("/key-rules/{holder}", **needs(Role.OPERATOR, Role.SECURITY))
def list_key_rules(
    holder: Holder, context: Ctx, limit: Limit = 100, cursor: BytesCursor = None
) -> Listed[TaggedKeyRuleOut]:
    """Rules for owners' keys, or for manufacturers', by fingerprint, with ETags."""
    page = context.stores.key_rules.page(holder, cursor, limit)
    return listed(page, lambda one: {**_shown(one), "etag": _tag(one)})


@router.put("/key-rules/{holder}/{fingerprint}", **needs(Role.SECURITY))
def put_key_rule(
    holder: Holder,
    fingerprint: KeyPath,
    body: VerdictIn | QuotaIn,
    context: Ctx,
    caller: Caller,
    when: When,
) -> Tagged[KeyRuleOut]:
    """Allow, deny or limit a key from now on; devices registered before as well."""
    rule = KeyRule(
        holder,
        fingerprint,
        body.verdict,
        body.quota,
        body.reason,
        context.now(),
        actor(caller),
    )
    before = _found(context, holder, fingerprint)
    with when.meeting(before, _tag(before)) as seen:
        context.stores.key_rules.put(rule, seen)
    return answered(_shown(rule), _tag(rule))


@router.delete(
    "/key-rules/{holder}/{fingerprint}", status_code=204, **needs(Role.SECURITY)
)
def forget_key_rule(
    holder: Holder, fingerprint: KeyPath, context: Ctx, caller: Caller, when: When
) -> Response:
    """Treat a key like any other again."""
    rules, before = context.stores.key_rules, _found(context, holder, fingerprint)
    with when.meeting(before, _tag(before)) as seen:
        rules.remove(holder, fingerprint, actor(caller), context.now(), seen)
    return Response(status_code=204)


def _found(context: Context, holder: Holder, fingerprint: str) -> KeyRule | None:
    try:
        return context.stores.key_rules.get(holder, fingerprint)
    except NotFound:
        return None


def _tag(rule: KeyRule | None) -> str:
    return tag_of(rule and _shown(rule))


def _shown(rule: KeyRule) -> KeyRuleOut:
    return {
        "holder": rule.holder.value,
        "fingerprint": rule.fingerprint,
        "verdict": rule.verdict and rule.verdict.value,
        "quota": rule.quota,
        "reason": rule.reason,
        "set_at": rule.set_at,
        "set_by": rule.set_by,
    }
