"""Whom vouchers are taken from."""

from typing import Annotated

from pydantic import Field, StringConstraints

from onboarding.services.api.auth import ANY, Caller, Ctx, actor, needs
from onboarding.services.api.fields import Body, Fingerprint, JsonObject
from onboarding.services.api.routing import api_router
from onboarding.services.trust import TRUST, Trust, load_trust
from onboarding.store.apikeys import Role

router = api_router("trust")

CaText = Annotated[str, StringConstraints(max_length=60_000)]


class TrustIn(Body):
    """Fingerprints (SHA-256 of SubjectPublicKeyInfo) and PEM certificates."""

    manufacturers: Annotated[tuple[Fingerprint, ...], Field(max_length=500)] = ()
    device_cas_pem: CaText = ""


@router.get("/trust", **needs(*ANY))
def get_trust(context: Ctx) -> JsonObject:
    """Manufacturers and device CAs that are trusted."""
    return load_trust(context.stores.settings).to_json()


@router.put("/trust", **needs(Role.SECURITY))
def put_trust(body: TrustIn, context: Ctx, caller: Caller) -> JsonObject:
    """Replace both lists; where both are filled a voucher must satisfy both."""
    trust = Trust.build(frozenset(body.manufacturers), body.device_cas_pem)
    encoded, now = trust.encode(), context.now()
    context.stores.settings.put(TRUST, encoded, actor(caller), now)
    return trust.to_json()
