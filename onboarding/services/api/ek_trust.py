"""The trust store of endorsement keys: vendors' CAs, their CRLs, bundles, versions."""

import hashlib
from collections.abc import Callable
from typing import Annotated

from fastapi import Path, Query, Response

from attestation.ek_bundle import EkBundle, split_pem
from attestation.errors import PolicyError
from onboarding.services.api.answers.kinds import Listed, listed
from onboarding.services.api.answers.trust import (
    EkBundleOut,
    EkCrlOut,
    EkCrlsAddedOut,
    EkDifference,
    EkRootOut,
    EkRootsAddedOut,
    EkTrustOut,
    EkVersionOut,
    EkVersionWholeOut,
)
from onboarding.services.api.auth import Caller, Ctx, RawBody, actor, needs
from onboarding.services.api.conditions import Conditions, When, record_tag, tag_of
from onboarding.services.api.ek_trust_view import (
    crl_view,
    named_view,
    root_view,
    version_view,
)
from onboarding.services.api.fields import (
    BytesCursor,
    Fingerprint,
    Limit,
    NumberCursor,
    Text,
)
from onboarding.services.api.paging import paged
from onboarding.services.api.routing import api_router, takes
from onboarding.services.context import Context
from onboarding.services.ek_trust import (
    distrusting,
    dropping_crl,
    importing,
    listing,
    lost,
    trusting,
)
from onboarding.services.errors import Problem
from onboarding.store.apikeys import Role
from onboarding.store.ek_trust_records import (
    EkTrustChange,
    EkTrustState,
    EkTrustVersion,
    words_of,
)

router = api_router("trust")

Digest = Annotated[Fingerprint, Path()]
_WHY = "Why it is changed, for the audit log."
Number = Annotated[int, Path(ge=1, le=2**31 - 1)]
Why = Annotated[Text | None, Query(alias="reason", description=_WHY)]
DryRun = Annotated[bool, Query(description="Tell what would change; change nothing.")]
_PEM = {"application/x-pem-file": {"type": "string", "format": "pem-certificates"}}
_CRLS = {"application/x-pem-file": {"type": "string", "format": "pem-crls"}}
_BUNDLE = {"application/x-pem-file": {"type": "string", "format": "ek-bundle"}}
READERS = (Role.OPERATOR, Role.SECURITY)
Plan = Callable[[EkTrustState, str, int], EkTrustChange]


@router.get("/ek-roots", **needs(*READERS))
def list_roots(
    context: Ctx, limit: Limit = 100, cursor: BytesCursor = None
) -> Listed[EkRootOut]:
    """Every certificate in the trust store."""
    found = context.stores.ek_trust.state().roots
    return listed(paged(found, lambda one: one.digest.hex(), cursor, limit), root_view)


@router.post("/ek-roots", **takes(_PEM, **needs(Role.SECURITY)))
def add_roots(
    body: RawBody, context: Ctx, caller: Caller, why: Why = None
) -> EkRootsAddedOut:
    """Trust the certificates of a PEM file; known ones are counted out.

    ``without_path`` names those that are no root and lead to none in the store: no
    device is trusted by them yet.
    """
    ders, crls = _parts(body)
    if not ders or crls:
        raise Problem(422, "not-certificates", "There is no certificate in it.")
    change, _ = _change(
        context, caller, lambda state, who, at: trusting(state, ders, who, at), why
    )
    named = {hashlib.sha256(der).digest() for der in ders}
    state = context.stores.ek_trust.state()
    return {
        "added": len(change.roots),
        "items": [root_view(one) for one in state.roots if one.digest in named],
        "without_path": lost(state, named, context.now()),
    }


@router.delete("/ek-roots/{digest}", status_code=204, **needs(Role.SECURITY))
def remove_root(
    digest: Digest, context: Ctx, caller: Caller, when: When, why: Why = None
) -> Response:
    """Trust a certificate no longer; bindings made under it stay as judged."""
    raw = bytes.fromhex(digest)
    _remove(context, caller, when, raw, lambda state, *_: distrusting(state, raw), why)
    return Response(status_code=204)


@router.get("/ek-crls", **needs(*READERS))
def list_crls(
    context: Ctx, limit: Limit = 100, cursor: BytesCursor = None
) -> Listed[EkCrlOut]:
    """Every revocation list in the trust store."""
    found = context.stores.ek_trust.state().crls
    return listed(paged(found, lambda one: one.digest.hex(), cursor, limit), crl_view)


@router.post("/ek-crls", **takes(_CRLS, **needs(Role.SECURITY)))
def add_crls(
    body: RawBody, context: Ctx, caller: Caller, why: Why = None
) -> EkCrlsAddedOut:
    """Take the CRLs of a PEM file; each replaces an older one of the same CA."""
    ders, crls = _parts(body)
    if not crls or ders:
        raise Problem(422, "not-crls", "There is no CRL in it.")
    change, _ = _change(
        context, caller, lambda state, who, at: listing(state, crls, who, at), why
    )
    return {"added": len(change.crls), "items": [crl_view(one) for one in change.crls]}


@router.delete("/ek-crls/{digest}", status_code=204, **needs(Role.SECURITY))
def remove_crl(
    digest: Digest, context: Ctx, caller: Caller, when: When, why: Why = None
) -> Response:
    """Ask a CRL no longer."""
    raw = bytes.fromhex(digest)
    _remove(context, caller, when, raw, lambda state, *_: dropping_crl(state, raw), why)
    return Response(status_code=204)


@router.get("/ek-trust", **needs(*READERS))
def get_trust(context: Ctx) -> EkTrustOut:
    """What names the store as it is, and how much is in it."""
    state = context.stores.ek_trust.state()
    return {
        "version": state.number,
        "digest": state.digest.hex(),
        "certificates": len(state.roots),
        "crls": len(state.crls),
        "crls_required": context.settings.ek_crls_required,
    }


@router.post("/ek-trust/bundles", **takes(_BUNDLE, **needs(Role.SECURITY)))
def import_bundle(
    body: RawBody,
    context: Ctx,
    caller: Caller,
    dry_run: DryRun = False,
    why: Why = None,
) -> EkBundleOut:
    """Bring the store to what a bundle says, and tell the difference.

    What an earlier bundle of that name brought and this one lacks goes; what was
    trusted by hand stays.
    """
    try:
        bundle = EkBundle.decode(body)
    except PolicyError as error:
        raise _no_bundle(error) from error
    state, version = context.stores.ek_trust.state(), None
    change = importing(state, bundle, actor(caller), context.now())
    if not dry_run:
        version = _applied(context, caller, state, change, why)
    number = None if version is None else version.number
    return {"version": number, **_difference(state, change)}


@router.get("/ek-trust/versions", **needs(*READERS))
def list_versions(
    context: Ctx, limit: Limit = 100, cursor: NumberCursor = None
) -> Listed[EkVersionOut]:
    """The versions that the store had, the newest first."""
    return listed(context.stores.ek_trust.versions(cursor, limit), version_view)


@router.get("/ek-trust/versions/{number}", **needs(*READERS))
def get_version(number: Number, context: Ctx) -> EkVersionWholeOut:
    """One version, with what it brought and took."""
    one = context.stores.ek_trust.version(number)
    added, removed = map(named_view, (one.added, one.removed))
    return {**version_view(one), "added": added, "removed": removed}


def _change(
    context: Context, caller: Caller, plan: Plan, why: str | None
) -> tuple[EkTrustChange, EkTrustVersion | None]:
    """Plan a change and make it; no version comes of one that changes nothing."""
    state = context.stores.ek_trust.state()
    try:
        change = plan(state, actor(caller), context.now())
    except PolicyError as error:
        raise Problem(422, "not-trusted", f"{error}.") from error
    return change, _applied(context, caller, state, change, why)


def _remove(
    context: Context,
    caller: Caller,
    when: Conditions,
    digest: bytes,
    plan: Plan,
    why: str | None,
) -> None:
    """As ``_change``, if that part of the store is what the caller saw."""

    def planned(state: EkTrustState, who: str, at: int) -> EkTrustChange:
        found = next((one for one in state.all if one.digest == digest), None)
        tag = tag_of(None) if found is None else record_tag(found)
        when.require(tag, exists=found is not None)
        return plan(state, who, at)

    with when.held():
        _change(context, caller, planned, why)


def _applied(
    context: Context,
    caller: Caller,
    state: EkTrustState,
    change: EkTrustChange,
    why: str | None,
) -> EkTrustVersion | None:
    if change.is_empty:
        return None
    who, now = actor(caller), context.now()
    return context.stores.ek_trust.apply(change, state.digest, who, now, why or "")


def _parts(body: bytes) -> tuple[list[bytes], list[bytes]]:
    try:
        return split_pem(body.decode("ascii"))
    except (PolicyError, UnicodeDecodeError) as error:
        raise Problem(422, "not-certificates", "The body is not PEM.") from error


def _no_bundle(error: PolicyError) -> Problem:
    return Problem(
        422,
        "no-bundle",
        f"{error}.",
        remedy="Make one with vouchgate ek bundle, and check its digest.",
    )


def _difference(state: EkTrustState, change: EkTrustChange) -> EkDifference:
    """What goes and what comes, by digest and words."""
    gone = [one for one in state.all if one.digest in change.removed]
    return {
        "before": state.digest.hex(),
        "added": named_view(words_of((*change.roots, *change.crls))),
        "removed": named_view(words_of(gone)),
    }
