"""Vouchers: listed, exported, extended to the next owner, deleted."""

import hashlib
from typing import Annotated

from fastapi import Query, Response

from attestation.errors import DocumentRefused
from onboarding.services import sale
from onboarding.services.api.answers.kinds import Listed, listed
from onboarding.services.api.answers.vouchers import (
    PassportReadOut,
    SoldOut,
    VoucherLineOut,
    VoucherOut,
)
from onboarding.services.api.auth import Caller, Ctx, actor, needs
from onboarding.services.api.conditions import When, answered, record_tag
from onboarding.services.api.fields import (
    Body,
    BytesCursor,
    GuidPath,
    Limit,
    PublicPem,
    parse_guid,
)
from onboarding.services.api.routing import api_router, gives, gives_text
from onboarding.services.api.tagged import Tagged
from onboarding.services.api.within import Reach
from onboarding.services.context import Context
from onboarding.services.errors import Problem
from onboarding.services.passports import StoredPassport
from onboarding.store.apikeys import Role
from onboarding.store.voucher_list import VoucherSummary
from onboarding.store.voucher_rows import VoucherRecord
from ownership_vouchers.pem import dump_pem
from ownership_vouchers.show import describe
from ownership_vouchers.types import Guid
from ownership_vouchers.voucher import Voucher

router = api_router("vouchers")

READERS = (Role.MANUFACTURER, Role.OPERATOR, Role.SECURITY)
WRITERS = (Role.MANUFACTURER, Role.OPERATOR)
PEM_TYPE = "application/x-pem-file"

Serial = Annotated[str | None, Query(pattern=r"^[ -~]{1,128}$")]
OwnerKey = Annotated[str | None, Query(pattern=r"^[0-9a-f]{64}$")]


class ExtendIn(Body):
    """The buyer's public key or certificate."""

    next_owner_pem: PublicPem


@router.get("/vouchers", **needs(*READERS, labels=Reach.OWN, lines=Reach.OWN))
def list_vouchers(
    context: Ctx,
    caller: Caller,
    limit: Limit = 100,
    cursor: BytesCursor = None,
    owner_fingerprint: OwnerKey = None,
    serial: Serial = None,
) -> Listed[VoucherLineOut]:
    """Vouchers by GUID."""
    page = context.stores.vouchers.page(
        cursor, limit, owner_fingerprint, serial, caller.limits
    )
    return listed(page, _line)


@router.get(
    "/vouchers/{guid:voucher}", **needs(*READERS, labels=Reach.NAMED, lines=Reach.NAMED)
)
def get_voucher(guid: GuidPath, context: Ctx, when: When) -> Tagged[VoucherOut]:
    """One voucher, with everything that can be read from it."""
    record = record_of(context, guid)
    return answered(shown_voucher(record), record_tag(record), when)


@router.get(
    "/vouchers/{guid}/pem",
    **gives_text(PEM_TYPE),
    **needs(*READERS, labels=Reach.NAMED, lines=Reach.NAMED),
)
def get_pem(guid: GuidPath, context: Ctx, passport: bool = True) -> Response:
    """The voucher as PEM, its passport after it if there is one."""
    record = record_of(context, guid)
    text = sale.pem(record) if passport else dump_pem(Voucher.from_cbor(record.cbor))
    return Response(text, media_type=PEM_TYPE)


@router.get(
    "/vouchers/{guid}/passport",
    **gives("application/cose"),
    **needs(*READERS, labels=Reach.NAMED, lines=Reach.NAMED),
)
def get_passport(guid: GuidPath, context: Ctx) -> Response:
    """The passport as the manufacturer signed it."""
    record = record_of(context, guid)
    if record.passport is None:
        raise Problem(404, "no-passport", "There is no passport for this device.")
    document = StoredPassport.decode(record.passport).document
    return Response(document, media_type="application/cose")


@router.post(
    "/vouchers/{guid}/extend", **needs(*WRITERS, labels=Reach.NAMED, lines=Reach.NAMED)
)
def extend_voucher(
    guid: GuidPath, body: ExtendIn, context: Ctx, caller: Caller
) -> SoldOut:
    """Sign a voucher over to the next owner; what comes back goes to the buyer.

    One signed over to this very owner is announced: its device can be onboarded
    again, and stays what it is until then.
    """
    stored = sale.sold(context, record_of(context, guid), body.next_owner_pem)
    sale.keep(context, stored, actor(caller))
    return shown_sale(stored)


@router.delete(
    "/vouchers/{guid:voucher}",
    status_code=204,
    **needs(*WRITERS, labels=Reach.NAMED, lines=Reach.NAMED),
)
def delete_voucher(
    guid: GuidPath, context: Ctx, caller: Caller, when: When
) -> Response:
    """Forget a voucher; an owned device stays on record, as retired."""
    raw, before = parse_guid(guid).raw, record_of(context, guid)
    with when.meeting(before, record_tag(before)) as seen:
        context.stores.vouchers.delete(raw, actor(caller), context.now(), seen)
    context.stores.tasks.cancel("to0", raw.hex())
    return Response(status_code=204)


def shown_voucher(record: VoucherRecord) -> VoucherOut:
    """Everything that can be read from a voucher."""
    return {
        "guid": str(Guid(record.guid)),
        "serial": record.serial,
        "device_info": record.device_info,
        "owner_fingerprint": record.key_fingerprint,
        "entries": len(record.entry_digests),
        "has_passport": record.passport is not None,
        "passport": None
        if record.passport is None
        else shown_passport(record.passport),
        "added_at": record.added_at,
        "superseded": record.superseded,
        "voucher": describe(Voucher.from_cbor(record.cbor)),
    }


def shown_sale(record: VoucherRecord) -> SoldOut:
    """What the seller is told, the voucher for the buyer included."""
    return {
        "guid": str(Guid(record.guid)),
        "entries": len(record.entry_digests),
        "owner_fingerprint": record.key_fingerprint,
        "pem": sale.pem(record),
    }


def shown_passport(stored: bytes) -> PassportReadOut:
    """What a passport says, and by whose key; ``error`` if it was altered since."""
    found = StoredPassport.decode(stored)
    issuer = hashlib.sha256(found.issuer).hexdigest()
    try:
        passport = found.open()
    except DocumentRefused as error:
        return {"issuer_fingerprint": issuer, "error": str(error)}
    return {
        "issuer_fingerprint": issuer,
        "guid": str(passport.guid),
        "serial": passport.serial,
        "profile": passport.profile,
        "ek_digest": passport.ek_digest.hex(),
        "device_key_digest": passport.device_key_digest.hex(),
        "issued_at": passport.issued_at,
        "error": None,
    }


def record_of(context: Context, guid: str) -> VoucherRecord:
    """The voucher of exactly that GUID. Raises Problem, NotFound."""
    return context.stores.lineage.get(parse_guid(guid).raw)


def _line(one: VoucherSummary) -> VoucherLineOut:
    return {
        "guid": str(Guid(one.guid)),
        "serial": one.serial,
        "device_info": one.device_info,
        "owner_fingerprint": one.key_fingerprint,
        "entries": one.entries,
        "has_passport": one.has_passport,
        "added_at": one.added_at,
        "retired": one.retired,
    }
