"""Devices: how far each has come, why, and what happened to it."""

from dataclasses import replace
from typing import Annotated

from fastapi import Query

from onboarding.services.api.answers.audit import EventOut
from onboarding.services.api.answers.devices import (
    AppraisalOut,
    DeviceLineOut,
    DeviceOut,
)
from onboarding.services.api.answers.kinds import Listed, listed
from onboarding.services.api.auth import Caller, Ctx, needs
from onboarding.services.api.device_view import shown_appraisal, shown_device, summaries
from onboarding.services.api.events import shown_event
from onboarding.services.api.fields import (
    BytesCursor,
    GuidPath,
    Limit,
    NumberCursor,
    TimeCursor,
    parse_guid,
)
from onboarding.services.api.routing import api_router
from onboarding.services.api.within import Reach
from onboarding.services.gate import Gate
from onboarding.store.apikeys import Role
from onboarding.store.device_filter import DeviceFilter
from onboarding.store.state import DeviceState

router = api_router("devices")

READERS = (Role.OPERATOR, Role.SECURITY)
StateQuery = Annotated[DeviceState | None, Query()]
Words = Annotated[str, Query(max_length=128, pattern=r"^[^\x00-\x1f\x7f]*$")]


@router.get("/devices", **needs(*READERS, labels=Reach.OWN))
def list_devices(
    context: Ctx,
    caller: Caller,
    limit: Limit = 100,
    cursor: BytesCursor = None,
    state: StateQuery = None,
    q: Words = "",
) -> Listed[DeviceLineOut]:
    """Devices, all or those in one state or that match words, in a lasting order.

    ``q`` is looked for in serial number, device info, profile and GUID; as
    ``name=value`` it is a label.
    """
    now, within = context.now(), caller.limits.labels
    wanted = replace(filter_of(state, q), within=within)
    page = context.stores.devices.page(now, cursor, limit, matching=wanted)
    return {"items": summaries(context, page.items, now), "next": page.cursor}


@router.get("/devices/{guid}", **needs(*READERS, labels=Reach.NAMED))
def get_device(guid: GuidPath, context: Ctx) -> DeviceOut:
    """One device under any GUID it ever had, and whether the gate is open to it."""
    gate = Gate(context)
    situation = gate.situation(parse_guid(guid).raw)
    return shown_device(context, situation, gate.decide(situation))


@router.get("/devices/{guid}/timeline", **needs(*READERS, labels=Reach.NAMED))
def get_timeline(
    guid: GuidPath, context: Ctx, limit: Limit = 200, cursor: NumberCursor = None
) -> Listed[EventOut]:
    """What happened to a device under all its GUIDs, oldest first.

    The newest of it; ``next`` leads to what was before.
    """
    raw = parse_guid(guid).raw
    context.stores.devices.get(raw)
    page = context.stores.events.page(cursor, limit, guid=raw)
    events = [shown_event(one) for one in page.items[::-1]]
    return {"items": events, "next": page.cursor}


@router.get("/devices/{guid}/appraisals", **needs(*READERS, labels=Reach.NAMED))
def get_appraisals(
    guid: GuidPath, context: Ctx, limit: Limit = 100, cursor: TimeCursor = None
) -> Listed[AppraisalOut]:
    """A device's appraisals, newest first, with what was really compared."""
    device = context.stores.devices.get(parse_guid(guid).raw)
    page = context.stores.appraisals.page(device.guid, cursor, limit)
    return listed(page, shown_appraisal)


def filter_of(state: DeviceState | None, q: str) -> DeviceFilter:
    """Words as people type them, as a filter."""
    name, equals, value = q.strip().partition("=")
    if equals and name.strip():
        return DeviceFilter(state, "", (name.strip(), value.strip()))
    return DeviceFilter(state, q.strip())
