"""Owner keys over time: rotated, given up, blocked, and what each still owns."""

from typing import Annotated

from fastapi import Path

from onboarding.services import key_match, key_report
from onboarding.services.api.answers.keys import (
    HeldVoucherOut,
    MatchesOut,
    MatchOut,
    OurKeyOut,
    OwnerKeyOut,
)
from onboarding.services.api.answers.kinds import Listed, listed
from onboarding.services.api.auth import Caller, Ctx, Identity, RawBody, actor, needs
from onboarding.services.api.fields import (
    Body,
    BytesCursor,
    Fingerprint,
    Flag,
    Limit,
    Text,
    guid_text,
)
from onboarding.services.api.routing import api_router, takes
from onboarding.services.api.voucher_import import VOUCHER_FILE
from onboarding.services.context import Context
from onboarding.services.errors import Problem
from onboarding.services.key_store import KeyInfo, KeyKind
from onboarding.services.owner_keys import Word
from onboarding.store.apikeys import Role

router = api_router("keys")

READERS = (Role.OPERATOR, Role.SECURITY)
KeyPath = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$", description="Its SHA-256")]


class ReasonIn(Body):
    """Why."""

    reason: Text


class RotateIn(ReasonIn):
    """Which key takes over, and why."""

    successor: Fingerprint


class RetireIn(ReasonIn):
    """Why, and whether what hangs on the key is given up with it."""

    accept_loss: Flag = False


@router.get("/keys/{fingerprint:sha256}", **needs(*READERS))
def get_key(fingerprint: KeyPath, context: Ctx) -> OwnerKeyOut:
    """An owner key's state, and how many vouchers hang on it, by how they do."""
    return _shown(context, fingerprint)


@router.get("/keys/{fingerprint:sha256}/vouchers", **needs(*READERS))
def list_held(
    fingerprint: KeyPath, context: Ctx, limit: Limit = 100, cursor: BytesCursor = None
) -> Listed[HeldVoucherOut]:
    """Vouchers that hang on an owner key, each verified anew from its bytes."""
    page = key_report.verdicts(context, fingerprint, cursor, limit)
    return listed(page, _verdict)


@router.post("/keys/match", **takes(VOUCHER_FILE, **needs(*READERS)))
def match(body: RawBody, context: Ctx) -> MatchesOut:
    """Which of our owner keys can take the vouchers of a file; nothing is stored."""
    found = key_match.matches(key_match.our_keys(context), body)
    return {"items": [_matched(one) for one in found]}


@router.post("/keys/{fingerprint:sha256}/rotate", **needs(Role.SECURITY))
def rotate(
    fingerprint: KeyPath, body: RotateIn, context: Ctx, caller: Caller
) -> OwnerKeyOut:
    """Have another key take over: from now on TO2 gives devices to that one."""
    old, new = _ours(context, fingerprint), _ours(context, body.successor)
    if old.algorithm is not new.algorithm or old.fingerprint == new.fingerprint:
        told = f"Key {new.name} ({new.algorithm}) cannot take over from {old.name}"
        if old.fingerprint == new.fingerprint:
            told = f"Key {old.name} cannot take over from itself"
        raise Problem(
            409,
            "no-successor",
            f"{told} ({old.algorithm}).",
            remedy="Make another key of the same algorithm.",
        )
    context.owner_keys.rotate(fingerprint, body.successor, _word(context, body, caller))
    return _shown(context, fingerprint)


@router.post("/keys/{fingerprint:sha256}/retire", **needs(Role.SECURITY))
def retire(
    fingerprint: KeyPath, body: RetireIn, context: Ctx, caller: Caller
) -> OwnerKeyOut:
    """Give a key up when nothing hangs on it any more: it signs nothing from now on."""
    _known(context, fingerprint)
    word = _word(context, body, caller)
    context.owner_keys.retire(fingerprint, word, accept_loss=body.accept_loss)
    return _shown(context, fingerprint)


@router.post("/keys/{fingerprint:sha256}/revoke", **needs(Role.SECURITY))
def revoke(
    fingerprint: KeyPath, body: ReasonIn, context: Ctx, caller: Caller
) -> OwnerKeyOut:
    """Block a key that was lost or stolen, whatever hangs on it."""
    _known(context, fingerprint)
    context.owner_keys.revoke(fingerprint, _word(context, body, caller))
    return _shown(context, fingerprint)


@router.post("/keys/{fingerprint:sha256}/reinstate", **needs(Role.SECURITY))
def reinstate(
    fingerprint: KeyPath, body: ReasonIn, context: Ctx, caller: Caller
) -> OwnerKeyOut:
    """Let a blocked key sign again, or take a rotation back."""
    context.owner_keys.reinstate(fingerprint, _word(context, body, caller))
    return _shown(context, fingerprint)


def _word(context: Context, body: ReasonIn, caller: Identity) -> Word:
    return Word(body.reason, actor(caller), context.now())


def _info(context: Context, fingerprint: str) -> KeyInfo | None:
    ring = context.keyrings[KeyKind.OWNER]
    ring.refresh()
    return next((one for one in ring.infos() if one.fingerprint == fingerprint), None)


def _ours(context: Context, fingerprint: str) -> KeyInfo:
    found = _info(context, fingerprint)
    if found is None:
        raise Problem(
            409,
            "owner-key-not-here",
            f"No owner key {fingerprint} is in this service's key directory.",
            remedy="Put its file there, or name another; GET /api/v1/keys shows ours.",
        )
    return found


def _known(context: Context, fingerprint: str) -> None:
    """A key may be lost: then its vouchers, or what was said of it, tell that it was.

    Raises:
        Problem: 404; it is none of ours.
    """
    if _info(context, fingerprint) is not None:
        return
    standing = context.owner_keys.standing(fingerprint)
    if standing.changed_at or any(context.owner_keys.holdings(fingerprint).values()):
        return
    raise Problem(404, "not-found", f"There is no owner key {fingerprint}.")


def _shown(context: Context, fingerprint: str) -> OwnerKeyOut:
    _known(context, fingerprint)
    info = _info(context, fingerprint)
    standing = context.owner_keys.standing(fingerprint)
    return {
        "fingerprint": fingerprint,
        "name": None if info is None else info.name,
        "here": info is not None,
        "state": standing.state.value,
        "successor": standing.successor,
        "reason": standing.reason,
        "changed_at": standing.changed_at or None,
        "changed_by": standing.changed_by or None,
        "holdings": context.owner_keys.holdings(fingerprint),
    }


def _verdict(one: key_report.Verdict) -> HeldVoucherOut:
    return {
        "guid": guid_text(one.held.guid),
        "device": guid_text(one.held.device),
        "serial": one.held.serial,
        "hold": one.held.hold.value,
        "entries": one.entries,
        "holds": not one.failures,
        "failures": [
            {"check": fail.check, "reason": fail.reason} for fail in one.failures
        ],
        "next": one.next,
    }


def _matched(one: key_match.Match) -> MatchOut:
    return {
        "index": one.index,
        "guid": None if one.guid is None else str(one.guid),
        "key_type": None if one.key_type is None else one.key_type.name,
        "owner_fingerprint": one.owner,
        "ends_in": None if one.ends_in is None else _named(one.ends_in),
        "takers": [_named(taker) for taker in one.takers],
        "advice": one.advice,
    }


def _named(one: key_match.OurKey) -> OurKeyOut:
    return {
        "name": one.info.name,
        "fingerprint": one.info.fingerprint,
        "state": one.state.value,
    }
