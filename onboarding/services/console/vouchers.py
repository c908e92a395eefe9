"""Vouchers: listed, looked at, given out as a file."""

from typing import Annotated

from fastapi import Query, Request, Response

from onboarding.services.api import devices, resale
from onboarding.services.api import vouchers as api
from onboarding.services.api.auth import Ctx
from onboarding.services.api.fields import BytesCursor, GuidPath
from onboarding.services.api.keys import list_keys
from onboarding.services.api.paging import EVERY
from onboarding.services.console.guard import Current, allows
from onboarding.services.console.pages import HEADERS, pages_router, render, see_other
from onboarding.services.console.query import link
from onboarding.store.apikeys import Role
from ownership_vouchers.errors import VoucherError
from ownership_vouchers.types import Guid

router = pages_router()

PAGE = 50
Words = Annotated[str, Query(max_length=128, pattern=r"^[ -~]*$")]


@router.get("/vouchers", **allows(*api.READERS))
def voucher_list(
    request: Request,
    context: Ctx,
    session: Current,
    cursor: BytesCursor = None,
    q: Words = "",
) -> Response:
    """Vouchers by GUID; of one serial number, or the one of a GUID."""
    named = _guid(q.strip())
    if named is not None:
        return see_other(f"/vouchers/{named}")
    page = api.list_vouchers(
        context, session.key, PAGE, cursor, None, q.strip() or None
    )
    keys = {one["fingerprint"] for one in list_keys(context, EVERY)["items"]}
    return render(
        request,
        "vouchers.html",
        session,
        vouchers=page["items"],
        ours=keys,
        q=q,
        may_import=session.key.role in (Role.OPERATOR, Role.ADMIN),
        first=link("/vouchers", q=q) if cursor else None,
        next=link("/vouchers", q=q, cursor=page["next"]) if page["next"] else None,
    )


@router.get("/vouchers/{guid}", **allows(*api.READERS))
def voucher_page(
    request: Request, guid: GuidPath, context: Ctx, session: Current
) -> Response:
    """One voucher with all that can be read from it."""
    keys = {one["fingerprint"] for one in list_keys(context, EVERY)["items"]}
    sees_devices = session.key.role in (*devices.READERS, Role.ADMIN)
    lineage = resale.get_lineage(guid, context, EVERY)["items"] if sees_devices else []
    shown = api.shown_voucher(api.record_of(context, guid))
    return render(
        request,
        "voucher.html",
        session,
        record=shown,
        ours=keys,
        lineage=lineage,
        sees_devices=sees_devices,
    )


@router.get("/vouchers/{guid}/pem", **allows(*api.READERS))
def voucher_file(guid: GuidPath, context: Ctx, session: Current) -> Response:
    """The voucher as a file, its passport after it if there is one."""
    answer = api.get_pem(guid, context)
    name = f"{Guid(api.record_of(context, guid).guid)}.pem"
    answer.headers.update(HEADERS)
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def _guid(text: str) -> Guid | None:
    try:
        return Guid.parse(text)
    except VoucherError:
        return None
