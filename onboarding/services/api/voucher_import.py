"""Bulk import of vouchers, for owners."""

from collections import Counter
from collections.abc import Sequence

from onboarding.services.api.answers.vouchers import ImportedOut, ImportItemOut
from onboarding.services.api.auth import Caller, Ctx, RawBody, actor, needs
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
def post_vouchers(body: RawBody, context: Ctx, caller: Caller) -> ImportedOut:
    """Import a PEM or CBOR file of one or many vouchers, passports among them."""
    results = import_vouchers(context, body, actor(caller))
    answer = _answer(results)
    if answer["refused"] == len(results):
        raise Problem(
            422,
            "vouchers-refused",
            "None of the vouchers was taken.",
            remedy="See `results` for the check that each of them failed.",
            extra={**answer},
        )
    return answer


def _answer(results: Sequence[ItemResult]) -> ImportedOut:
    count = Counter(one.status for one in results)
    return {
        "imported": count[ItemStatus.IMPORTED],
        "extended": count[ItemStatus.EXTENDED],
        "unchanged": count[ItemStatus.UNCHANGED],
        "refused": count[ItemStatus.REFUSED],
        "results": [shown_item(one) for one in results],
    }


def shown_item(one: ItemResult) -> ImportItemOut:
    """What became of one voucher, and which check it failed."""
    return {
        "index": one.index,
        "guid": None if one.guid is None else str(one.guid),
        "status": one.status.value,
        "passport": one.passport,
        "code": one.code,
        "detail": one.detail,
    }
