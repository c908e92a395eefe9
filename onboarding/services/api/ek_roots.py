"""Authorities whose endorsement key certificates are believed."""

from typing import Annotated

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from fastapi import Path, Response

from attestation.ek_certificate import load_root
from onboarding.services.api.auth import Caller, Ctx, RawBody, actor, needs
from onboarding.services.api.fields import JsonObject
from onboarding.services.api.routing import api_router, takes
from onboarding.services.errors import Problem
from onboarding.services.trust import read_certificates
from onboarding.store.apikeys import Role
from onboarding.store.ek_roots import EkRootRecord

router = api_router("trust")

Digest = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")]
_PEM = {"application/x-pem-file": {"type": "string", "format": "pem-certificates"}}


@router.get("/ek-roots", **needs(Role.OPERATOR, Role.SECURITY))
def list_roots(context: Ctx) -> JsonObject:
    """Every root in the trust store."""
    return {"items": [_shown(one) for one in context.stores.ek_roots.all()]}


@router.post("/ek-roots", **takes(_PEM, **needs(Role.SECURITY)))
def add_roots(body: RawBody, context: Ctx, caller: Caller) -> JsonObject:
    """Trust the certificates of a PEM file; known ones are counted out."""
    certificates = read_certificates(_text(body))
    if not certificates:
        raise Problem(422, "not-certificates", "There is no certificate in it.")
    now, who = context.now(), actor(caller)
    records = [_record(one, now, who) for one in certificates]
    added = sum(context.stores.ek_roots.add(one) for one in records)
    return {"added": added, "items": [_shown(one) for one in records]}


@router.delete("/ek-roots/{digest}", status_code=204, **needs(Role.SECURITY))
def remove_root(digest: Digest, context: Ctx, caller: Caller) -> Response:
    """Trust a certificate no longer; bindings made under it stay as judged."""
    raw = bytes.fromhex(digest)
    context.stores.ek_roots.remove(raw, actor(caller), context.now())
    return Response(status_code=204)


def _text(body: bytes) -> str:
    try:
        return body.decode("ascii")
    except UnicodeDecodeError as error:
        raise Problem(422, "not-certificates", "The body is not PEM.") from error


def _record(certificate: x509.Certificate, now: int, who: str) -> EkRootRecord:
    der = certificate.public_bytes(Encoding.DER)
    load_root(der)
    subject = certificate.subject.rfc4514_string()
    return EkRootRecord(der, subject.replace("\0", "")[:500], now, who)


def _shown(one: EkRootRecord) -> JsonObject:
    return {
        "digest": one.digest.hex(),
        "subject": one.subject,
        "added_at": one.added_at,
        "added_by": one.added_by,
    }
