"""go-fdo-server's paths of the owner role: vouchers, redirection, resale, devices."""

from typing import Annotated

from fastapi import Query, Response

from onboarding.services import sale
from onboarding.services.api.auth import ANY, Caller, Ctx, RawBody, actor, needs
from onboarding.services.api.routing import strict_json
from onboarding.services.compat import redirect, vouchers
from onboarding.services.compat.answers import PEM_TYPE, as_json, guid_of, rfc3339
from onboarding.services.compat.vouchers import MAX_LISTED
from onboarding.services.errors import Problem
from onboarding.services.site import to2_addresses
from onboarding.services.site_changes import set_to2_addresses
from onboarding.services.voucher_import import OLDER, ItemStatus, import_vouchers
from onboarding.store.apikeys import Role
from onboarding.store.errors import Conflict, NotFound
from onboarding.store.settings_rows import TO2_ADDRESSES
from onboarding.store.voucher_list import NewestVoucher
from ownership_vouchers.pem import dump_pem
from ownership_vouchers.voucher import Voucher

READERS = (Role.OPERATOR, Role.SECURITY)

router = vouchers.routes("/api/v1/owner/vouchers", *READERS)


@router.post("/api/v1/owner/vouchers", **needs(Role.OPERATOR))
def post_vouchers(body: RawBody, context: Ctx, caller: Caller) -> Response:
    """Import every voucher of a PEM file; 400 if one of them was refused.

    Those that hold are taken all the same. One that is older than what is here in
    its place is skipped, and no more than named; nothing is ever overwritten.
    """
    results = import_vouchers(context, body, actor(caller))
    refused = [one for one in results if one.status is ItemStatus.REFUSED]
    wrong = [one for one in refused if one.code != OLDER]
    if wrong:
        words = "; ".join(f"{one.guid or one.index}: {one.detail}" for one in wrong)
        raise Problem(400, "vouchers-refused", f"Invalid ownership voucher: {words}")
    skipped = (f"skipped {one.guid}: {one.detail}\n" for one in refused)
    return Response("".join(skipped), media_type="text/plain")


@router.get("/api/v1/owner/redirect", **needs(*ANY))
def get_redirect(context: Ctx) -> Response:
    """Where devices are sent."""
    try:
        found = to2_addresses(context.stores.settings)
    except Problem as error:
        raise Problem(404, "not-found", "No ownerInfo found") from error
    return as_json(redirect.to_json(found))


@router.post("/api/v1/owner/redirect", **needs(Role.OPERATOR))
def post_redirect(body: RawBody, context: Ctx, caller: Caller) -> Response:
    """Say so for the first time; 409 afterwards."""
    addresses = redirect.from_json(strict_json(body))
    try:
        set_to2_addresses(context, addresses, actor(caller), expected=0)
    except Conflict as error:
        raise Problem(409, "conflict", "ownerInfo already exists") from error
    return Response(body, 201, media_type="application/json")


@router.put("/api/v1/owner/redirect", **needs(Role.OPERATOR))
def put_redirect(body: RawBody, context: Ctx, caller: Caller) -> Response:
    """Say so anew; 404 before it was said for the first time."""
    addresses = redirect.from_json(strict_json(body))
    try:
        there = context.stores.settings.get(TO2_ADDRESSES).version
        set_to2_addresses(context, addresses, actor(caller), there)
    except NotFound as error:
        raise Problem(404, "not-found", "ownerInfo does not exist") from error
    return Response(body, media_type="application/json")


@router.post("/api/v1/owner/resell/{guid}", **needs(Role.OPERATOR))
def resell(guid: str, body: RawBody, context: Ctx, caller: Caller) -> Response:
    """Sign a voucher over to a public key; the device is retired here."""
    buyer = body.decode("ascii", "replace")
    record = sale.resold(context, guid_of(guid), buyer, actor(caller))
    return Response(dump_pem(Voucher.from_cbor(record.cbor)), media_type=PEM_TYPE)


@router.get("/api/v1/owner/devices", **needs(*READERS))
def list_devices(
    context: Ctx, old_guid: Annotated[str, Query(max_length=64)] = ""
) -> Response:
    """Devices that are ours, the newest first, or the one that had a GUID before."""
    raw = guid_of(old_guid) if old_guid else None
    found = context.stores.vouchers.newest(MAX_LISTED, raw)
    ours = [_line(one, raw) for one in found if not one.retired]
    if raw is not None:
        ours = [one for one in ours if one["old_guid"] == raw.hex()]
    return as_json(ours)


def _line(one: NewestVoucher, asked: bytes | None) -> dict[str, object]:
    """A device that was never onboarded has no GUID of before.

    Of several that it had, the one that was asked for is shown.
    """
    before = one.previous_guid or one.guid
    if asked is not None and asked != one.guid:
        before = asked
    line: dict[str, object] = {
        "guid": one.guid.hex(),
        "old_guid": "" if one.owned_at is None else before.hex(),
        "device_info": one.device_info,
        "created_at": rfc3339(one.imported_at),
        "updated_at": rfc3339(one.added_at),
        "to2_completed": one.owned_at is not None,
    }
    if one.owned_at is not None:
        line["to2_completed_at"] = rfc3339(one.owned_at)
    return line
