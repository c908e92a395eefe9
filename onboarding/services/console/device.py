"""One device, from its factory to now: what is known, and why it is where it is."""

from contextlib import suppress
from typing import Any

from fastapi import Request, Response

from onboarding.services.api import (
    decisions,
    deliveries,
    devices,
    diagnosis,
    manifests,
    policies,
    resale,
    vouchers,
)
from onboarding.services.api.answers.vouchers import AncestorOut
from onboarding.services.api.auth import Ctx
from onboarding.services.api.events import shown_event
from onboarding.services.api.fields import GuidPath, parse_guid
from onboarding.services.api.paging import EVERY
from onboarding.services.console.chart import chart
from onboarding.services.console.guard import Current, allows
from onboarding.services.console.pages import pages_router, render
from onboarding.services.console.way import way
from onboarding.services.context import Context
from onboarding.store.errors import NotFound
from onboarding.store.policies import PolicyKind

router = pages_router()

APPRAISALS, DECISIONS, RUNS, EVENTS = 200, 20, 10, 400


@router.get("/devices/{guid}", **allows(*devices.READERS))
def device_page(
    request: Request, guid: GuidPath, context: Ctx, session: Current
) -> Response:
    """One device under any GUID that it has or had."""
    shown = devices.get_device(guid, context)
    now, present = context.now(), shown["guid"]
    appraisals = devices.get_appraisals(guid, context, APPRAISALS)["items"]
    lineage = _lineage(context, present)
    # The oldest that is kept came from the factory.
    origin = (
        vouchers.shown_voucher(vouchers.record_of(context, lineage[-1]["guid"]))
        if lineage
        else None
    )
    entries = len(origin["voucher"]["entries"]) if origin else 0
    told = context.stores.events.story(parse_guid(guid).raw, EVENTS)[::-1]
    events = [shown_event(one) for one in told]
    decided = decisions.list_decisions(context, session.key, DECISIONS, None, guid)
    registered = [one for one in events if one["cause"] == "device.registered"]
    return render(
        request,
        "device.html",
        session,
        device=shown,
        way=way(shown, entries, registered[0]["at"] if registered else None, now),
        diagnosis=diagnosis.told(context, request.app.state.asked, present),
        origin=origin,
        lineage=lineage,
        appraisals=appraisals,
        chart=chart(appraisals, now),
        decisions=decided["items"],
        deliveries=deliveries.list_deliveries(guid, context, RUNS)["items"],
        events=events,
        registered=registered,
        **_choices(context),
    )


def _choices(context: Context) -> dict[str, Any]:
    """What the device can be assigned, and manifests by their digests."""
    known = manifests.list_manifests(context, 200)["items"]
    return {
        "manifests": known,
        "named": {one["digest"]: f"{one['name']} {one['version']}" for one in known},
        "policies": policies.list_policies(context, EVERY, kind=PolicyKind.ATTESTATION)[
            "items"
        ],
    }


def _lineage(context: Context, guid: str) -> list[AncestorOut]:
    with suppress(NotFound):
        return resale.get_lineage(guid, context, EVERY)["items"]
    return []
