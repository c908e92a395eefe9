"""Credentials over time: what the next TO2 makes of one, and a device sold on."""

from typing import Literal

from onboarding.services import sale
from onboarding.services.api.answers.kinds import Listed, listed
from onboarding.services.api.answers.vouchers import (
    AncestorOut,
    CredentialOut,
    RecoveredOut,
    SoldOut,
)
from onboarding.services.api.auth import Caller, Ctx, actor, needs
from onboarding.services.api.conditions import When, answered, tag_of
from onboarding.services.api.fields import (
    Body,
    BytesCursor,
    Fingerprint,
    GuidPath,
    Limit,
    PublicPem,
    guid_text,
    parse_guid,
)
from onboarding.services.api.paging import after
from onboarding.services.api.routing import api_router
from onboarding.services.api.tagged import Tagged
from onboarding.services.api.vouchers import shown_sale
from onboarding.services.api.within import Reach
from onboarding.services.context import Context
from onboarding.services.credential_plan import CredentialPlan, Mode, planned
from onboarding.services.errors import Problem
from onboarding.services.rv_schema import Directives
from onboarding.store.apikeys import Role
from onboarding.store.lineage import Ancestor
from onboarding.store.voucher_rows import VoucherRecord
from ownership_vouchers.extend import next_owner_key
from ownership_vouchers.rendezvous import RendezvousInfo
from ownership_vouchers.voucher import Voucher

router = api_router("vouchers")

READERS = (Role.OPERATOR, Role.SECURITY)


class ReuseIn(Body):
    """The next TO2 leaves the credential as it is; null is as for all devices."""

    mode: Literal["reuse"] | None


class ReplaceIn(Body):
    """The next TO2 replaces the credential, and what is named in it."""

    mode: Literal["replace"]
    directives: Directives | None = None
    owner_fingerprint: Fingerprint | None = None


class ResellIn(Body):
    """The buyer's public key or certificate."""

    next_owner_pem: PublicPem


@router.get("/vouchers/{guid}/credential", **needs(*READERS, labels=Reach.NAMED))
def get_credential(guid: GuidPath, context: Ctx, when: When) -> Tagged[CredentialOut]:
    """What the next TO2 will make of the device's credential."""
    record = context.stores.vouchers.get(parse_guid(guid).raw)
    shown = _shown_plan(context, record, record.plan)
    return answered(shown, tag_of(shown), when)


@router.put("/vouchers/{guid}/credential", **needs(Role.OPERATOR, labels=Reach.NAMED))
def put_credential(
    guid: GuidPath, body: ReuseIn | ReplaceIn, context: Ctx, caller: Caller, when: When
) -> Tagged[CredentialOut]:
    """Have it reused or replaced in the next TO2, and by what."""
    record = context.stores.vouchers.get(parse_guid(guid).raw)
    plan = _plan(context, body, Voucher.from_cbor(record.cbor))
    encoded = None if plan is None else plan.encode()
    lineage, now = context.stores.lineage, context.now()
    seen = when.seen(record.plan, tag_of(_shown_plan(context, record, record.plan)))
    with when.held():
        lineage.plan(record.guid, encoded, actor(caller), now, seen)
    shown = _shown_plan(context, record, encoded)
    return answered(shown, tag_of(shown))


@router.post("/vouchers/{guid}/resell", **needs(Role.OPERATOR, labels=Reach.NAMED))
def resell(guid: GuidPath, body: ResellIn, context: Ctx, caller: Caller) -> SoldOut:
    """Sell a device on: its voucher goes to the buyer, and we are done with it."""
    pem, who = body.next_owner_pem, actor(caller)
    stored = sale.resold(context, parse_guid(guid).raw, pem, who)
    return shown_sale(stored)


@router.get("/vouchers/{guid}/lineage", **needs(*READERS, labels=Reach.NAMED))
def get_lineage(
    guid: GuidPath, context: Ctx, limit: Limit = 100, cursor: BytesCursor = None
) -> Listed[AncestorOut]:
    """Every voucher that is kept of a device, the live one first."""
    found = context.stores.lineage.of(parse_guid(guid).raw)
    return listed(after(found, lambda one: one.guid.hex(), cursor, limit), _ancestor)


@router.post("/vouchers/{guid}/recover", **needs(Role.OPERATOR, labels=Reach.NAMED))
def recover(guid: GuidPath, context: Ctx, caller: Caller) -> RecoveredOut:
    """Serve a replaced voucher again, for a device that still has its credential."""
    raw = parse_guid(guid).raw
    changed = context.stores.lineage.recover(raw, actor(caller), context.now())
    return {"guid": guid_text(raw), "recovered": changed}


def _plan(
    context: Context, body: ReuseIn | ReplaceIn, voucher: Voucher
) -> CredentialPlan | None:
    if isinstance(body, ReuseIn):
        return None if body.mode is None else CredentialPlan(Mode.REUSE, None, None)
    if body.owner_fingerprint is not None:
        other = context.signer(body.owner_fingerprint)
        if other is None:
            raise Problem(
                409,
                "not-our-key",
                "No key of ours has this fingerprint.",
                remedy="GET /api/v1/keys shows ours.",
            )
        next_owner_key(voucher, other.public_key)
    info = None
    if body.directives is not None:
        info = RendezvousInfo.build(body.directives).raw
    return CredentialPlan(Mode.REPLACE, info, body.owner_fingerprint)


def _shown_plan(
    context: Context, record: VoucherRecord, encoded: bytes | None
) -> CredentialOut:
    plan = planned(context, encoded, record.key_fingerprint)
    info = plan.rv_info
    return {
        "guid": guid_text(record.guid),
        "mode": plan.mode.value,
        "set_for": "all" if encoded is None else "this device",
        "directives": RendezvousInfo.from_cbor(info).describe() if info else None,
        "owner_fingerprint": plan.owner_fingerprint,
    }


def _ancestor(one: Ancestor) -> AncestorOut:
    return {
        "guid": guid_text(one.guid),
        "standing": one.standing.value,
        "owner_fingerprint": one.key_fingerprint,
        "entries": one.entries,
        "added_at": one.added_at,
        "replaced_by": guid_text(one.replaced_by),
        "replaced_at": one.used_at,
    }
