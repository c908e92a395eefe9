"""Bulk import of vouchers, for owners."""

from onboarding.services.api.auth import Caller, Ctx, RawBody, actor, needs
from onboarding.services.api.fields import JsonObject
from onboarding.services.api.routing import api_router
from onboarding.services.errors import Problem
from onboarding.services.voucher_import import (
    ItemResult,
    ItemStatus,
    import_vouchers,
)
from onboarding.store.apikeys import Role

router = api_router("vouchers")

VOUCHER_FILE = {
    "requestBody": {
        "required": True,
        "content": {
            "application/x-pem-file": {"schema": {"type": "string"}},
            "application/cbor": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}
_NEEDS = needs(Role.OPERATOR)
_NEEDS["openapi_extra"] = {**_NEEDS["openapi_extra"], **VOUCHER_FILE}


@router.post("/vouchers", **_NEEDS)
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
