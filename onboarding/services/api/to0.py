"""TO0: which rendezvous server knows which device, and what came of each attempt."""

from dataclasses import asdict

from onboarding.services import to0
from onboarding.services.api.auth import Ctx, needs
from onboarding.services.api.fields import GuidPath, JsonObject, parse_guid
from onboarding.services.api.routing import api_router
from onboarding.store.apikeys import Role
from onboarding.store.state import DeviceState
from onboarding.store.tasks import Task
from ownership_vouchers.types import Guid

router = api_router("rendezvous")


@router.get("/to0", **needs(Role.OPERATOR, Role.SECURITY))
def list_to0(context: Ctx) -> JsonObject:
    """Devices that are announced, or are about to be; the next due first."""
    now = context.now()
    tasks = context.stores.tasks.pending(to0.KIND)
    counts = context.stores.devices.counts(now)
    return {
        "items": [_shown(task, now) for task in tasks],
        "live": counts[DeviceState.REGISTERED],
        "next": None,
    }


@router.post("/to0/{guid}", status_code=202, **needs(Role.OPERATOR))
def register_now(guid: GuidPath, context: Ctx) -> JsonObject:
    """Register a device at all its rendezvous servers as soon as may be."""
    raw = parse_guid(guid).raw
    context.stores.vouchers.get(raw)
    to0.plan(context.stores, raw, context.now())
    return {"guid": str(Guid(raw)), "planned": True}


def _shown(task: Task, now: int) -> JsonObject:
    servers = to0.attempts_of(task)
    live = any(one.until > now for one in servers)
    failing = any(one.error for one in servers) or task.last_error is not None
    state = "registered" if live else "failing" if failing else "waiting"
    return {
        "guid": str(Guid.parse(task.subject)),
        "state": state,
        "due": task.due,
        "error": task.last_error,
        "servers": [asdict(one) for one in servers],
    }
