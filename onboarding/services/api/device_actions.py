"""What people do to a device: freeze, withdraw, retire."""

from onboarding.services.api.answers.devices import FrozenOut, RetiredOut, WithdrawnOut
from onboarding.services.api.auth import Caller, Ctx, actor, needs
from onboarding.services.api.fields import (
    Body,
    Flag,
    GuidPath,
    Text,
    guid_text,
)
from onboarding.services.api.present import present
from onboarding.services.api.routing import api_router
from onboarding.services.api.within import Reach
from onboarding.services.gate import Gate
from onboarding.services.withdrawing import Withdrawals
from onboarding.store.apikeys import Role

router = api_router("devices")


class FreezeIn(Body):
    """Whether releases to the device are stopped, and why."""

    frozen: Flag
    reason: Text


class ReasonIn(Body):
    """Why."""

    reason: Text


@router.put(
    "/devices/{guid}/freeze", **needs(Role.OPERATOR, Role.SECURITY, labels=Reach.NAMED)
)
def put_freeze(
    guid: GuidPath, body: FreezeIn, context: Ctx, caller: Caller
) -> FrozenOut:
    """Stop releases to the device, or let them go on; what runs is left alone."""
    raw = present(context, guid)
    context.stores.devices.freeze(
        raw, body.frozen, body.reason, actor(caller), context.now()
    )
    return {"guid": guid_text(raw), "frozen": body.frozen}


@router.post(
    "/devices/{guid}/withdraw",
    **needs(Role.OPERATOR, Role.SECURITY, labels=Reach.NAMED),
)
def withdraw(
    guid: GuidPath, body: ReasonIn, context: Ctx, caller: Caller
) -> WithdrawnOut:
    """Take the workload back, and release nothing until the freeze is lifted."""
    raw, who = present(context, guid), actor(caller)
    context.stores.devices.freeze(raw, True, body.reason, who, context.now())
    taken = Withdrawals(context, Gate(context)).withdraw(raw, body.reason, who)
    return {"guid": guid_text(raw), "withdrawn": taken}


@router.post("/devices/{guid}/retire", **needs(Role.OPERATOR, labels=Reach.NAMED))
def retire(guid: GuidPath, body: ReasonIn, context: Ctx, caller: Caller) -> RetiredOut:
    """The device was sold or scrapped: it is asked for nothing any more."""
    raw, who = present(context, guid), actor(caller)
    context.stores.devices.retire(raw, body.reason, who, context.now())
    return {"guid": guid_text(raw), "state": "retired"}
