"""go-fdo-server's voucher list, which its factory and its owner have both."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from onboarding.services.api.auth import Ctx, needs
from onboarding.services.compat.answers import PEM_TYPE, as_json, guid_of, rfc3339
from onboarding.services.errors import Problem
from onboarding.store.apikeys import Role
from onboarding.store.errors import NotFound
from onboarding.store.voucher_list import NewestVoucher
from ownership_vouchers.pem import dump_pem
from ownership_vouchers.voucher import Voucher

MAX_LISTED = 10_000
Filter = Annotated[str, Query(max_length=255)]


def routes(base: str, *readers: Role) -> APIRouter:
    """Return the two paths under ``base``, for callers of these roles."""
    router = APIRouter()

    @router.get(base, **needs(*readers))
    def list_vouchers(
        context: Ctx, guid: Filter = "", device_info: Filter = ""
    ) -> Response:
        """The newest vouchers first, of one GUID or kind of device if it is named."""
        raw = guid_of(guid) if guid else None
        found = context.stores.vouchers.newest(MAX_LISTED, raw, device_info or None)
        return as_json([_line(one) for one in found if raw in (None, one.guid)])

    @router.get(f"{base}/{{guid}}", **needs(*readers))
    def get_voucher(guid: str, context: Ctx) -> Response:
        """The voucher as PEM, without its passport."""
        try:
            record = context.stores.lineage.get(guid_of(guid))
        except NotFound as error:
            raise Problem(404, "not-found", "Voucher not found") from error
        return Response(dump_pem(Voucher.from_cbor(record.cbor)), media_type=PEM_TYPE)

    return router


def _line(one: NewestVoucher) -> dict[str, str]:
    added = rfc3339(one.added_at)
    return {
        "guid": one.guid.hex(),
        "device_info": one.device_info,
        "created_at": added,
        "updated_at": added,
    }
