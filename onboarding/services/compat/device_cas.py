"""go-fdo-server's paths of rendezvous and owner: trusted device CAs, one by one.

Behind them stands the one list of `PUT /api/v1/trust`; manufacturers on it stay.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Self

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from fastapi import APIRouter, Depends, Path, Request, Response

from onboarding.services.api.auth import (
    ANY,
    Caller,
    Ctx,
    Identity,
    RawBody,
    actor,
    needs,
)
from onboarding.services.compat.answers import PEM_TYPE, as_json, rfc3339, utc
from onboarding.services.compat.device_ca_query import (
    Page,
    Validity,
    name,
    offered,
    validity,
    wants_pem,
)
from onboarding.services.context import Context
from onboarding.services.errors import Problem
from onboarding.services.trust import TRUST, Trust, load_trust
from onboarding.store.apikeys import Role
from onboarding.store.errors import NotFound

router = APIRouter()

Fingerprint = Annotated[str, Path(max_length=1000)]
Asked = Annotated[Page, Depends(Page)]


@dataclass(frozen=True, slots=True)
class _Listed:
    """The trust list as it was read; ``version`` 0 is none."""

    certificates: tuple[x509.Certificate, ...]
    makers: frozenset[str]
    version: int
    since: int

    @classmethod
    def read(cls, context: Context) -> Self:
        settings = context.stores.settings
        try:
            stored = settings.get(TRUST)
        except NotFound:
            return cls((), frozenset(), 0, 0)
        trust = Trust.decode(stored.value)
        version, since = stored.version, stored.updated_at
        return cls(trust.device_cas, trust.manufacturers, version, since)

    def put(
        self,
        context: Context,
        certificates: Iterable[x509.Certificate],
        caller: Identity,
    ) -> int:
        """Replace the certificates, not the manufacturers; return when.

        Raises:
            Conflict: The list was changed since it was read.
            Problem: 422; too many.
        """
        kept = load_trust(context.stores.settings).identity_cas_pem
        trust = Trust.build(self.makers, "".join(map(_pem, certificates)), kept)
        encoded, who, now = trust.encode(), actor(caller), context.now()
        context.stores.settings.put(TRUST, encoded, who, now, self.version)
        return now


@router.get("/api/v1/device-ca", **needs(*ANY))
def list_cas(context: Ctx, request: Request, page: Asked) -> Response:
    """Certificates that are trusted, as JSON, or as PEM if that is asked for."""
    listed = _Listed.read(context)
    shown, total = page.among(listed.certificates, context.now())
    if wants_pem(request):
        return Response("".join(map(_pem, shown)), media_type=PEM_TYPE)
    certs = [_line(one, listed.since) for one in shown]
    where = {"limit": page.limit, "offset": page.offset}
    return as_json({"total": total, **where, "certs": certs})


@router.post("/api/v1/device-ca", **needs(Role.SECURITY))
def post_cas(body: RawBody, context: Ctx, caller: Caller) -> Response:
    """Trust every certificate of a PEM file that is new and has not run out.

    One that cannot be read is counted, and does not keep the others out.
    """
    listed = _Listed.read(context)
    added: list[x509.Certificate] = []
    messages, malformed = [], 0
    for position, one in enumerate(offered(body.decode("ascii", "replace")), 1):
        place = f"the certificate at position {position}"
        if one is None:
            malformed += 1
            messages.append(f"{place} is malformed")
            continue
        why = _unwanted(one, (*listed.certificates, *added), context.now())
        if why is None:
            added.append(one)
        told = "imported successfully" if why is None else f"skipped because it {why}"
        messages.append(f"{place} with subject '{name(one.subject)}' was {told}")
    since = listed.since
    if added:
        since = listed.put(context, (*listed.certificates, *added), caller)
    read = len(messages) - malformed
    counts = {"detected": read, "imported": len(added), "skipped": read - len(added)}
    certs = [_line(one, since) for one in added]
    told_of = {"messages": messages, "certs": certs}
    return as_json({**counts, "malformed": malformed, **told_of})


@router.get("/api/v1/device-ca/{fingerprint}", **needs(*ANY))
def get_ca(fingerprint: Fingerprint, context: Ctx, request: Request) -> Response:
    """One certificate, by the SHA-256 of its DER."""
    listed = _Listed.read(context)
    found = _find(listed.certificates, fingerprint)
    if wants_pem(request):
        return Response(_pem(found), media_type=PEM_TYPE)
    return as_json(_line(found, listed.since))


@router.delete("/api/v1/device-ca/{fingerprint}", **needs(Role.SECURITY))
def delete_ca(fingerprint: Fingerprint, context: Ctx, caller: Caller) -> Response:
    """Trust it no longer.

    Without any, a rendezvous server takes no registrations any more, and an owner
    takes vouchers whatever CA their devices have.
    """
    listed = _Listed.read(context)
    gone = _find(listed.certificates, fingerprint)
    kept = [one for one in listed.certificates if one != gone]
    listed.put(context, kept, caller)
    return Response(status_code=204)


def _unwanted(
    one: x509.Certificate, known: Iterable[x509.Certificate], now: int
) -> str | None:
    if one in known:
        return "already exists"
    if validity(one, now) is Validity.EXPIRED:
        return "is expired"
    return None


def _find(known: Iterable[x509.Certificate], fingerprint: str) -> x509.Certificate:
    for one in known:
        if _fingerprint(one) == fingerprint:
            return one
    raise Problem(404, "not-found", "Device CA certificate not found")


def _fingerprint(one: x509.Certificate) -> str:
    return hashlib.sha256(one.public_bytes(Encoding.DER)).hexdigest()


def _pem(one: x509.Certificate) -> str:
    return one.public_bytes(Encoding.PEM).decode()


def _line(one: x509.Certificate, since: int) -> dict[str, str]:
    return {
        "fingerprint": _fingerprint(one),
        "pem": _pem(one),
        "subject": name(one.subject),
        "issuer": name(one.issuer),
        "notBefore": utc(one.not_valid_before_utc),
        "notAfter": utc(one.not_valid_after_utc),
        "createdAt": rfc3339(since),
    }
