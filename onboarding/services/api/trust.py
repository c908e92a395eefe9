"""Whom vouchers are taken from."""

from typing import Annotated, cast

from pydantic import Field, StringConstraints

from onboarding.services.api.answers.trust import TrustOut
from onboarding.services.api.auth import ANY, Caller, Ctx, actor, needs
from onboarding.services.api.conditions import (
    When,
    answered,
    expected_version,
    setting_tag,
)
from onboarding.services.api.fields import Body, Fingerprint
from onboarding.services.api.routing import api_router
from onboarding.services.api.tagged import Tagged
from onboarding.services.api.within import Reach
from onboarding.services.trust import TRUST, Trust, load_trust
from onboarding.store.apikeys import Role

router = api_router("trust")

CaText = Annotated[
    str,
    StringConstraints(max_length=60_000),
    Field(json_schema_extra={"format": "pem-certificates"}),
]  # or nothing


class TrustIn(Body):
    """Fingerprints (SHA-256 of SubjectPublicKeyInfo) and PEM certificates."""

    manufacturers: Annotated[tuple[Fingerprint, ...], Field(max_length=500)] = ()
    device_cas_pem: CaText = ""
    identity_cas_pem: CaText = ""  # of those that certify IAK and IDevID


@router.get("/trust", **needs(*ANY, labels=Reach.OPEN, lines=Reach.OPEN))
def get_trust(context: Ctx, when: When) -> Tagged[TrustOut]:
    """Manufacturers, device CAs and CAs of factory identities that are trusted."""
    settings = context.stores.settings
    tag = setting_tag(settings, TRUST)
    return answered(_shown(load_trust(settings)), tag, when)


@router.put("/trust", **needs(Role.SECURITY))
def put_trust(
    body: TrustIn, context: Ctx, caller: Caller, when: When
) -> Tagged[TrustOut]:
    """Replace the lists; where the first two are filled a voucher must satisfy both."""
    makers = frozenset(body.manufacturers)
    trust = Trust.build(makers, body.device_cas_pem, body.identity_cas_pem)
    settings, encoded = context.stores.settings, trust.encode()
    expected = expected_version(settings, TRUST, when)
    with when.held():
        done = settings.put(TRUST, encoded, actor(caller), context.now(), expected)
    return answered(_shown(trust), f'"{done.version}"')


def _shown(trust: Trust) -> TrustOut:
    return cast(TrustOut, trust.to_json())
