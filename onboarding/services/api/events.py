"""The audit log."""

import json
from typing import Annotated

from fastapi import Query

from onboarding.services.api.answers.audit import EventOut
from onboarding.services.api.answers.kinds import Listed, listed
from onboarding.services.api.auth import Caller, Ctx, needs
from onboarding.services.api.fields import (
    GuidQuery,
    Limit,
    NumberCursor,
    guid_text,
    parse_guid,
)
from onboarding.services.api.routing import api_router
from onboarding.services.api.within import Reach
from onboarding.store.apikeys import Role
from onboarding.store.events import LoggedEvent

router = api_router("audit")

Cause = Annotated[str | None, Query(pattern=r"^[a-z_.-]{1,64}$")]


@router.get("/events", **needs(Role.SECURITY, labels=Reach.OWN))
def list_events(
    context: Ctx,
    caller: Caller,
    limit: Limit = 100,
    cursor: NumberCursor = None,
    cause: Cause = None,
    guid: GuidQuery = None,
) -> Listed[EventOut]:
    """Newest first; ``cause`` may be a prefix such as ``release``.

    With ``guid``: that device's newest, under all the GUIDs it ever had.
    """
    within, raw = caller.limits.labels, None
    if guid is not None:
        raw = parse_guid(guid).raw
        if within:
            context.stores.devices.get(raw, within)
    page = context.stores.events.page(cursor, limit, cause, within, raw)
    return listed(page, shown_event)


def shown_event(event: LoggedEvent) -> EventOut:
    """An event as people read it."""
    evidence = event.evidence_digest
    return {
        "seq": event.seq,
        "at": event.at,
        "cause": event.cause,
        "actor": event.actor,
        "guid": guid_text(event.guid),
        "detail": json.loads(event.detail),
        "evidence_digest": None if evidence is None else evidence.hex(),
        "digest": event.digest.hex(),
    }
