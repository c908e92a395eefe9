"""Keylime's record against ours: what differs, and a call that mends it."""

from fastapi import Request

from attestation.keylime.drift import Drift
from onboarding.services.api.answers.keylime import (
    DifferenceOut,
    DriftMendedOut,
    DriftOut,
)
from onboarding.services.api.auth import Caller, Ctx, actor, needs
from onboarding.services.api.fields import Body, Flag
from onboarding.services.api.routing import api_router
from onboarding.services.context import Context
from onboarding.services.drift import DriftDesk, Look
from onboarding.services.health import Health
from onboarding.store.apikeys import Role

router = api_router("verifiers")

SHOWN = 1000  # differences in one answer


class MendIn(Body):
    """Whether what is in Keylime and not by us is removed, too."""

    strangers: Flag = False


@router.get("/keylime/drift", **needs(Role.OPERATOR, Role.SECURITY))
def get_drift(request: Request, context: Ctx) -> DriftOut:
    """Look now at what registrar and verifier have that we have otherwise."""
    desk = _desk(request, context)
    # Without a Keylime there is no record that could differ.
    look = Look(context.now(), 0, 0, ()) if desk is None else desk.look()
    return {
        "at": look.at,
        "agents": look.agents,
        "keys_compared": look.keys,
        "counts": {kind.value: count for kind, count in look.counts().items()},
        "items": [_shown(one) for one in look.drifts[:SHOWN]],
    }


@router.post("/keylime/drift/mend", **needs(Role.SECURITY))
def mend_drift(
    request: Request, body: MendIn, context: Ctx, caller: Caller
) -> DriftMendedOut:
    """Have Keylime's record follow ours; done twice, it changes nothing more."""
    desk, strangers = _desk(request, context), body.strangers
    done = () if desk is None else desk.mend(actor(caller), strangers=strangers)
    return {"items": [{**_shown(one.drift), "done": one.done} for one in done[:SHOWN]]}


def _desk(request: Request, context: Context) -> DriftDesk | None:
    health: Health = request.app.state.health
    return None if health.link is None else DriftDesk(context, health.link)


def _shown(one: Drift) -> DifferenceOut:
    return {"kind": one.kind.value, "name": one.name, "detail": one.detail}
