"""What the factory made, and alarms over serial numbers."""

from typing import Annotated

from fastapi import Query
from pydantic import Field

from onboarding.services.api.answers.factory import MadeOut, SettledOut
from onboarding.services.api.answers.kinds import Listed, listed
from onboarding.services.api.auth import Caller, Ctx, actor, needs
from onboarding.services.api.fields import (
    Body,
    Limit,
    TimeCursor,
    guid_text,
)
from onboarding.services.api.routing import api_router
from onboarding.services.api.within import Reach
from onboarding.services.lines import NAME
from onboarding.store.apikeys import Role
from onboarding.store.made import MadeDevice

router = api_router("made")

SerialQuery = Annotated[str | None, Query(pattern=r"^[ -~]{1,128}$")]
LineQuery = Annotated[str | None, Query(pattern=NAME)]


class SettleIn(Body):
    """The serial number that was looked at."""

    serial: Annotated[str, Field(min_length=1, max_length=128)]


@router.get("/made", **needs(Role.MANUFACTURER, Role.SECURITY, lines=Reach.OWN))
def list_made(
    context: Ctx,
    caller: Caller,
    limit: Limit = 100,
    cursor: TimeCursor = None,
    serial: SerialQuery = None,
    line: LineQuery = None,
    alarms: bool = False,
) -> Listed[MadeOut]:
    """Finished DI, the newest first; with ``alarms`` only what needs a look."""
    page = context.stores.made.page(
        cursor, limit, serial, line, alarms=alarms, within=caller.limits.lines
    )
    return listed(page, shown_made)


@router.post("/made/settle", **needs(Role.MANUFACTURER))
def settle(body: SettleIn, context: Ctx, caller: Caller) -> SettledOut:
    """Say that all devices made so far under a serial number are as they should be."""
    store, now = context.stores.made, context.now()
    count = store.settle(body.serial, actor(caller), now)
    return {"serial": body.serial, "settled": count}


def shown_made(one: MadeDevice) -> MadeOut:
    """One finished DI as it is told."""
    return {
        "guid": guid_text(one.guid),
        "serial": one.serial,
        "line": one.line,
        "station": one.station or None,
        "device_key_digest": one.device_key.hex(),
        "made_at": one.made_at,
        "superseded_by": guid_text(one.superseded_by),
        "alarm": one.alarm,
        "settled_at": one.settled_at,
    }
