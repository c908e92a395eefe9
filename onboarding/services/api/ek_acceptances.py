"""Endorsement keys accepted by hand: for TPMs without certificate and passport."""

from typing import Annotated

from fastapi import Path, Response

from onboarding.services.api.answers.kinds import Listed, listed
from onboarding.services.api.answers.trust import EkAcceptanceOut
from onboarding.services.api.auth import Caller, Ctx, actor, needs
from onboarding.services.api.conditions import When, record_tag
from onboarding.services.api.fields import Body, BytesCursor, Fingerprint, Limit, Text
from onboarding.services.api.paging import paged
from onboarding.services.api.routing import STORES, api_router
from onboarding.store.apikeys import Role
from onboarding.store.ek_acceptances import EkAcceptance

router = api_router("trust")

Digest = Annotated[Fingerprint, Path()]


class EkAcceptanceIn(Body):
    """Which key, as a refused binding names it, and how it came to be known."""

    ek_digest: Fingerprint  # SHA-256 of its SubjectPublicKeyInfo
    reason: Text


@router.get("/ek-acceptances", **needs(Role.OPERATOR, Role.SECURITY))
def list_acceptances(
    context: Ctx, limit: Limit = 100, cursor: BytesCursor = None
) -> Listed[EkAcceptanceOut]:
    """Every key that is accepted by hand now."""
    found = context.stores.ek_acceptances.all()
    return listed(paged(found, lambda one: one.digest.hex(), cursor, limit), _shown)


@router.post("/ek-acceptances", **STORES, **needs(Role.SECURITY))
def accept(
    body: EkAcceptanceIn, context: Ctx, caller: Caller, response: Response
) -> EkAcceptanceOut:
    """Accept a key from the next binding on, as class ``accepted-once``.

    The release policy in force says whether that class is released to. The same
    key again is no change.
    """
    digest = bytes.fromhex(body.ek_digest)
    record = EkAcceptance(digest, body.reason, context.now(), actor(caller))
    made = context.stores.ek_acceptances.add(record)
    response.status_code = 201 if made else 200
    return _shown(context.stores.ek_acceptances.get(digest))


@router.delete("/ek-acceptances/{digest}", status_code=204, **needs(Role.SECURITY))
def end_acceptance(
    digest: Digest, context: Ctx, caller: Caller, when: When
) -> Response:
    """Accept a key no longer; bindings made under it stay as judged."""
    known, raw = context.stores.ek_acceptances, bytes.fromhex(digest)
    before = known.get(raw)
    with when.meeting(before, record_tag(before)) as seen:
        known.remove(raw, actor(caller), context.now(), seen)
    return Response(status_code=204)


def _shown(one: EkAcceptance) -> EkAcceptanceOut:
    return {
        "ek_digest": one.digest.hex(),
        "reason": one.reason,
        "accepted_at": one.accepted_at,
        "accepted_by": one.accepted_by,
        "etag": record_tag(one),
    }
