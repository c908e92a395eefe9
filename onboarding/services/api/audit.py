"""Checkpoints of the audit log, to be kept where this service cannot reach them."""

from fastapi import Response

from onboarding.services import audit, evidence_packs
from onboarding.services.api.answers.audit import CheckpointOut
from onboarding.services.api.answers.kinds import Listed, listed
from onboarding.services.api.auth import Ctx, needs
from onboarding.services.api.fields import (
    GuidPath,
    Limit,
    NumberCursor,
    parse_guid,
)
from onboarding.services.api.routing import api_router, gives
from onboarding.services.api.within import Reach
from onboarding.services.errors import Problem
from onboarding.store.apikeys import Role
from onboarding.store.checkpoints import CheckpointRecord
from onboarding.store.errors import ChainBroken

COSE = "application/cose"

router = api_router("audit")
device_router = api_router("audit")


@router.post("/audit/checkpoints", **gives(COSE), **needs(Role.SECURITY))
def make_checkpoint(context: Ctx) -> Response:
    """Sign where the log stands now, and return the signed document.

    If nothing happened since the newest checkpoint, that one is returned.
    """
    try:
        record = audit.checkpoint(context)
    except ChainBroken as error:
        raise Problem(
            409,
            "audit-log-broken",
            f"The audit log is not vouched for: {error}.",
            remedy="Keep this database as evidence, and restore the last good backup.",
        ) from error
    return Response(record.document, media_type=COSE)


@router.get("/audit/checkpoints", **needs(Role.SECURITY))
def list_checkpoints(
    context: Ctx, limit: Limit = 100, cursor: NumberCursor = None
) -> Listed[CheckpointOut]:
    """What was signed so far, newest first."""
    page = context.stores.checkpoints.page(cursor, limit)
    return listed(page, _shown)


@router.get("/audit/checkpoints/latest", **gives(COSE), **needs(Role.SECURITY))
def latest_checkpoint(context: Ctx) -> Response:
    """The newest checkpoint, as it was signed."""
    record = context.stores.checkpoints.latest()
    return Response(record.document, media_type=COSE)


@device_router.get(
    "/devices/{guid}/evidence-pack",
    **gives(COSE),
    **needs(Role.SECURITY, labels=Reach.NAMED),
)
def evidence_pack(guid: GuidPath, context: Ctx) -> Response:
    """All that proves what happened to a device, in one signed file."""
    document = evidence_packs.make(context, parse_guid(guid).raw)
    return Response(document, media_type=COSE)


def _shown(one: CheckpointRecord) -> CheckpointOut:
    return {
        "seq": one.seq,
        "digest": one.digest.hex(),
        "at": one.at,
        "key_fingerprint": one.key_fingerprint,
    }
