"""TO0: which rendezvous server knows which device, and what came of each attempt."""

from dataclasses import asdict
from typing import cast

from onboarding.services import to0
from onboarding.services.api.answers.rendezvous import (
    AnnouncedOut,
    AttemptOut,
    BacklogOut,
    PlannedOut,
    ServerAttemptOut,
    To0Out,
)
from onboarding.services.api.auth import Ctx, needs
from onboarding.services.api.fields import (
    BytesCursor,
    GuidPath,
    Limit,
    parse_guid,
)
from onboarding.services.api.routing import api_router
from onboarding.services.api.within import Reach
from onboarding.services.context import Context
from onboarding.services.to0_attempts import Attempt, attempts_of
from onboarding.store.apikeys import Role
from onboarding.store.errors import NotFound
from onboarding.store.rv_servers import Circuit
from onboarding.store.state import DeviceState
from onboarding.store.tasks import Task
from ownership_vouchers.types import Guid

router = api_router("rendezvous")


@router.get("/to0", **needs(Role.OPERATOR, Role.SECURITY))
def list_to0(
    context: Ctx, limit: Limit = 100, cursor: BytesCursor = None, failing: bool = False
) -> To0Out:
    """Devices that are announced, or are about to be, by GUID.

    With ``failing``: only those that some server did not take last time.
    """
    now, stores = context.now(), context.stores
    page = stores.tasks.page(to0.KIND, cursor, limit, failing=failing)
    return {
        "items": [_shown(context, task, now) for task in page.items],
        "live": stores.devices.counts(now)[DeviceState.REGISTERED],
        "backlog": cast(BacklogOut, asdict(stores.tasks.backlog(to0.KIND, now))),
        "next": page.cursor,
    }


@router.get("/to0/{guid}", **needs(Role.OPERATOR, Role.SECURITY, labels=Reach.NAMED))
def get_to0(guid: GuidPath, context: Ctx) -> AnnouncedOut:
    """One device: every server, what it said, until when, and when it is asked next."""
    raw = parse_guid(guid).raw
    task = context.stores.tasks.find(to0.KIND, raw.hex())
    if task is None:
        raise NotFound("that device is not announced; it may be onboarded by now")
    return _shown(context, task, context.now())


@router.post("/to0/{guid}", status_code=202, **needs(Role.OPERATOR, labels=Reach.NAMED))
def register_now(guid: GuidPath, context: Ctx) -> PlannedOut:
    """Register a device at all its rendezvous servers as soon as may be."""
    raw = parse_guid(guid).raw
    context.stores.vouchers.get(raw)
    to0.plan(context.stores, raw, context.now())
    return {"guid": str(Guid(raw)), "planned": True}


def _shown(context: Context, task: Task, now: int) -> AnnouncedOut:
    servers = attempts_of(task)
    live = any(one.until > now for one in servers)
    failing = any(one.error for one in servers) or task.last_error is not None
    state = "registered" if live else "failing" if failing else "waiting"
    return {
        "guid": str(Guid.parse(task.subject)),
        "state": state,
        "due": task.due,
        "error": task.last_error,
        "servers": [_server(context, one, now) for one in servers],
    }


def _server(context: Context, one: Attempt, now: int) -> ServerAttemptOut:
    try:
        circuit = context.stores.rv_servers.get(one.server).circuit(now)
    except NotFound:
        circuit = Circuit.CLOSED
    return {**shown_attempt(one, now), "circuit": circuit.value}


def shown_attempt(one: Attempt, now: int) -> AttemptOut:
    """How one rendezvous server answered last, and whether that still holds."""
    return cast(AttemptOut, {**asdict(one), "live": one.until > now})
