"""Bulk import of vouchers, for owners."""

from onboarding.services.api.auth import Caller, Ctx, RawBody, actor, needs
from onboarding.services.api.fields import JsonObject
from onboarding.services.api.routing import BYTES, api_router, takes
from onboarding.services.errors import Problem
from onboarding.services.voucher_import import (
    ItemResult,
    ItemStatus,
    import_vouchers,
)
from onboarding.store.apikeys import Role

router = api_router("vouchers")

VOUCHER_FILE = {"application/x-pem-file": {"type": "string"}, "application/cbor": BYTES}


@router.post("/vouchers", **takes(VOUCHER_FILE, **needs(Role.OPERATOR)))
def post_vouchers(body: RawBody, context: Ctx, caller: Caller) -> JsonObject:
    """Import a PEM or CBOR file of one or many vouchers, passports among them."""
    results = import_vouchers(context, body, actor(caller))
    counts = {
        status.value: sum(one.status is status for one in results)
        for status in ItemStatus
    }
    answer = {**counts, "results": [shown_item(one) for one in results]}
    if counts[ItemStatus.REFUSED.value] == len(results):
        raise Problem(
            422,
            "vouchers-refused",
            "None of the vouchers was taken.",
            remedy="See `results` for the check that each of them failed.",
            extra=answer,
        )
    return answer


def shown_item(one: ItemResult) -> JsonObject:
    """What became of one voucher, and which check it failed."""
    return {
        "index": one.index,
        "guid": None if one.guid is None else str(one.guid),
        "status": one.status.value,
        "passport": one.passport,
        "code": one.code,
        "detail": one.detail,
    }
