"""What a security team asks first: what is not attested, and what that rests on."""

from typing import cast

from fastapi import Request

from onboarding.services.api.answers.devices import DeviceLineOut
from onboarding.services.api.answers.kinds import Listed
from onboarding.services.api.answers.trust import SecurityOut, TrustOut
from onboarding.services.api.auth import Caller, Ctx, needs
from onboarding.services.api.device_view import summaries
from onboarding.services.api.fields import Limit, TimeCursor
from onboarding.services.api.routing import api_router
from onboarding.services.api.within import Reach
from onboarding.services.health import Health
from onboarding.services.trust import load_trust
from onboarding.store.apikeys import Role

router = api_router("security")

READERS = (Role.OPERATOR, Role.SECURITY)


@router.get("/security", **needs(*READERS))
def get_overview(request: Request, context: Ctx) -> SecurityOut:
    """Counts over all owned devices, seconds old; and whom and what is trusted."""
    stores, health = context.stores, _health(request)
    found = health.overview.get()
    trust = cast(TrustOut, load_trust(stores.settings).to_json())
    keylime, ek_trust = health.keylime, stores.ek_trust.state()
    return {
        "states": {state.value: n for state, n in health.devices.get().items()},
        "owned": found.owned,
        "unbound": found.unbound,
        "frozen": found.frozen,
        "unproven_removals": found.unproven,
        "classes": [
            {"ek_class": one.ek_class, "class": one.klass, "count": one.count}
            for one in found.classes
        ],
        "trust": trust,
        "ek_roots": len(ek_trust.roots),
        "ek_crls": len(ek_trust.crls),
        "ek_trust": ek_trust.digest.hex(),
        "ek_acceptances": len(stores.ek_acceptances.all()),
        "keylime": "not configured" if keylime is None else keylime.get(),
        "insecure": list(context.settings.insecure),
    }


@router.get("/unattested", **needs(*READERS, labels=Reach.OWN))
def list_unattested(
    context: Ctx, caller: Caller, limit: Limit = 100, cursor: TimeCursor = None
) -> Listed[DeviceLineOut]:
    """Owned devices that are not freshly attested, the stalest first."""
    now, within = context.now(), caller.limits.labels
    page = context.stores.overview.unattested(now, cursor, limit, within)
    return {"items": summaries(context, page.items, now), "next": page.cursor}


def _health(request: Request) -> Health:
    health: Health = request.app.state.health
    return health
