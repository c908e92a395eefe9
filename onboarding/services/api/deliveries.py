"""Receipts: what TO2 delivered to a device, run by run."""

from typing import Annotated, cast

from fastapi import Path, Response

from onboarding.services.api.answers.kinds import Listed, listed
from onboarding.services.api.answers.service_info import DeliveryOut, ReceiptsOut
from onboarding.services.api.auth import Ctx, needs
from onboarding.services.api.fields import (
    GuidPath,
    Limit,
    TimeCursor,
    guid_text,
    parse_guid,
)
from onboarding.services.api.routing import api_router, gives
from onboarding.services.api.within import Reach
from onboarding.services.serviceinfo import receipts
from onboarding.store.apikeys import Role
from onboarding.store.deliveries import DeliveryRecord

router = api_router("service-info")

READERS = (Role.OPERATOR, Role.SECURITY)
Run = Annotated[str, Path(pattern=r"^([0-9a-f]{2}){1,64}$")]
Position = Annotated[int, Path(ge=0, le=255)]


@router.get("/devices/{guid}/deliveries", **needs(*READERS, labels=Reach.NAMED))
def list_deliveries(
    guid: GuidPath, context: Ctx, limit: Limit = 20, cursor: TimeCursor = None
) -> Listed[DeliveryOut]:
    """What each run of TO2 delivered, the newest first, the failed ones too."""
    raw = parse_guid(guid).raw
    return listed(context.stores.deliveries.of_device(raw, cursor, limit), _shown)


@router.get(
    "/devices/{guid}/deliveries/{run}/{position}",
    **gives("application/octet-stream"),
    **needs(*READERS, labels=Reach.NAMED),
)
def get_upload(guid: GuidPath, run: Run, position: Position, context: Ctx) -> Response:
    """A file that the device gave: the bytes as they came."""
    raw, run_id = parse_guid(guid).raw, bytes.fromhex(run)
    content = context.stores.deliveries.content(raw, run_id, position)
    # Whatever a device says its file is, no browser shall run it.
    headers = {
        "Content-Disposition": "attachment",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(content, media_type="application/octet-stream", headers=headers)


def _shown(one: DeliveryRecord) -> DeliveryOut:
    told = cast(ReceiptsOut, receipts.shown(one.receipts))
    run, guid = one.run.hex(), guid_text(one.guid)
    return {**told, "run": run, "guid": guid, "at": one.at, "completed": one.completed}
