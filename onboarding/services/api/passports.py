"""Passports: the DI station tells which TPM a device left the factory with."""

from typing import Annotated

from fastapi import Response
from pydantic import Field

from onboarding.services.api.answers.vouchers import PassportOut
from onboarding.services.api.auth import Caller, Ctx, actor, needs
from onboarding.services.api.fields import (
    Base64Text,
    Body,
    GuidText,
    Serial,
    decode_bytes,
    encode_bytes,
    parse_guid,
)
from onboarding.services.api.routing import STORES, api_router
from onboarding.services.api.within import Reach
from onboarding.services.passports import PassportData, issue_passport
from onboarding.store.apikeys import Role

router = api_router("passports")


class PassportIn(Body):
    """What the station read from the device; bytes as base64url."""

    guid: GuidText
    serial: Serial
    profile: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
    ek_public: Base64Text  # TPM2B_PUBLIC
    ek_certificate: Base64Text | None = None  # DER


@router.post("/passports", **STORES, **needs(Role.MANUFACTURER, lines=Reach.OWN))
def post_passport(
    body: PassportIn, context: Ctx, caller: Caller, response: Response
) -> PassportOut:
    """Sign a device's passport and lay it beside its voucher."""
    lines, certificate = caller.limits.lines, body.ek_certificate
    if lines:
        context.stores.made.get(parse_guid(body.guid).raw, lines)
    data = PassportData(
        parse_guid(body.guid),
        body.serial,
        body.profile,
        decode_bytes(body.ek_public),
        None if certificate is None else decode_bytes(certificate),
    )
    passport, made = issue_passport(context, data, actor(caller))
    response.status_code = 201 if made else 200
    return {"guid": str(data.guid), "passport": encode_bytes(passport)}
