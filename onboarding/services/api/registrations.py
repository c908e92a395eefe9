"""How many devices a rendezvous server can redirect just now."""

from onboarding.services.api.auth import Ctx, needs
from onboarding.services.api.fields import JsonObject
from onboarding.services.api.routing import api_router
from onboarding.store.apikeys import Role

router = api_router("rendezvous")


@router.get("/registrations", **needs(Role.OPERATOR, Role.SECURITY))
def count_registrations(context: Ctx) -> JsonObject:
    """Live registrations; which devices they are is their owners' business."""
    return {"live": context.stores.registrations.count(context.now())}
