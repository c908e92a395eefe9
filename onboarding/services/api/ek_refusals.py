"""Endorsement keys refused by hand, whatever vouches for them."""

from typing import Annotated

from fastapi import Path, Response

from onboarding.services.api.answers.kinds import Listed, listed
from onboarding.services.api.answers.trust import EkRefusalOut
from onboarding.services.api.auth import Caller, Ctx, actor, needs
from onboarding.services.api.conditions import When, record_tag
from onboarding.services.api.fields import Body, BytesCursor, Fingerprint, Limit, Text
from onboarding.services.api.paging import paged
from onboarding.services.api.routing import STORES, api_router
from onboarding.store.apikeys import Role
from onboarding.store.ek_refusals import EkRefusal

router = api_router("trust")

Digest = Annotated[Fingerprint, Path()]


class EkRefusalIn(Body):
    """Which key, as a binding names it, and why it is refused."""

    ek_digest: Fingerprint  # SHA-256 of its SubjectPublicKeyInfo
    reason: Text


@router.get("/ek-refusals", **needs(Role.OPERATOR, Role.SECURITY))
def list_refusals(
    context: Ctx, limit: Limit = 100, cursor: BytesCursor = None
) -> Listed[EkRefusalOut]:
    """Every key that is refused by hand now."""
    found = context.stores.ek_refusals.all()
    return listed(paged(found, lambda one: one.digest.hex(), cursor, limit), _shown)


@router.post("/ek-refusals", **STORES, **needs(Role.SECURITY))
def refuse(
    body: EkRefusalIn, context: Ctx, caller: Caller, response: Response
) -> EkRefusalOut:
    """Refuse a key from now on, also in bindings that stand; it goes before all else.

    Nothing is released to its device any more; what runs is left to a withdrawal.
    """
    digest = bytes.fromhex(body.ek_digest)
    record = EkRefusal(digest, body.reason, context.now(), actor(caller))
    made = context.stores.ek_refusals.add(record)
    response.status_code = 201 if made else 200
    return _shown(context.stores.ek_refusals.get(digest))


@router.delete("/ek-refusals/{digest}", status_code=204, **needs(Role.SECURITY))
def end_refusal(digest: Digest, context: Ctx, caller: Caller, when: When) -> Response:
    """Refuse a key no longer: what vouches for it counts again."""
    known, raw = context.stores.ek_refusals, bytes.fromhex(digest)
    before = known.get(raw)
    with when.meeting(before, record_tag(before)) as seen:
        known.remove(raw, actor(caller), context.now(), seen)
    return Response(status_code=204)


def _shown(one: EkRefusal) -> EkRefusalOut:
    return {
        "ek_digest": one.digest.hex(),
        "reason": one.reason,
        "refused_at": one.refused_at,
        "refused_by": one.refused_by,
        "etag": record_tag(one),
    }
