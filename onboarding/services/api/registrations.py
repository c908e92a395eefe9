"""How many devices a rendezvous server can redirect just now, and for whom."""

from onboarding.services.api.answers.kinds import Listed
from onboarding.services.api.answers.rendezvous import OwnerShareOut, RegistrationsOut
from onboarding.services.api.auth import Ctx, needs
from onboarding.services.api.fields import BytesCursor, Limit
from onboarding.services.api.routing import api_router
from onboarding.services.context import Context
from onboarding.store.apikeys import Role
from onboarding.store.errors import NotFound
from onboarding.store.key_rules import Holder, KeyRule

router = api_router("rendezvous")


@router.get("/registrations", **needs(Role.OPERATOR, Role.SECURITY))
def count_registrations(context: Ctx) -> RegistrationsOut:
    """Live registrations; which devices they are is their owners' business."""
    return {"live": context.stores.registrations.count(context.now())}


@router.get("/registrations/owners", **needs(Role.OPERATOR, Role.SECURITY))
def list_owners(
    context: Ctx, limit: Limit = 100, cursor: BytesCursor = None
) -> Listed[OwnerShareOut]:
    """How many registrations each owner's key holds, and how many it may."""
    page = context.stores.registrations.owners(cursor, limit)
    items = [_shown(context, *one) for one in page.items]
    return {"items": items, "next": page.cursor}


def _shown(context: Context, fingerprint: str, held: int) -> OwnerShareOut:
    rule = _rule(context, fingerprint)
    quota = None if rule is None else rule.quota
    usual = context.settings.rendezvous_owner_quota
    return {
        "fingerprint": fingerprint,
        "held": held,
        "quota": usual if quota is None else quota,
        "verdict": None if rule is None else rule.verdict,
    }


def _rule(context: Context, fingerprint: str) -> KeyRule | None:
    try:
        return context.stores.key_rules.get(Holder.OWNER, fingerprint)
    except NotFound:
        return None
