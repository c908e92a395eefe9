"""go-fdo-server's paths of the manufacturing role: rendezvous info and vouchers."""

from fastapi import Response

from onboarding.services import site
from onboarding.services.api.auth import ANY, Caller, Ctx, RawBody, actor, needs
from onboarding.services.api.routing import strict_json
from onboarding.services.compat import vouchers
from onboarding.services.compat.answers import as_json
from onboarding.services.compat.directives import from_v1, from_v2, to_v1, to_v2
from onboarding.services.context import Context
from onboarding.services.errors import Problem
from onboarding.services.site_changes import set_rendezvous_info
from onboarding.store.apikeys import Role
from onboarding.store.errors import Conflict, NotFound
from onboarding.store.settings_rows import RVINFO
from ownership_vouchers.rendezvous import RendezvousInfo

READERS = (Role.MANUFACTURER, Role.OPERATOR, Role.SECURITY)
WRITERS = (Role.MANUFACTURER, Role.OPERATOR)

router = vouchers.routes("/api/v1/vouchers", *READERS)


@router.get("/api/v1/rvinfo", **needs(*ANY))
def get_rvinfo(context: Ctx) -> Response:
    """What new vouchers get, in version 1."""
    info = _stored(context)
    if info is None:
        raise Problem(404, "not-found", "No rvInfo found")
    return as_json(to_v1(info))


@router.post("/api/v1/rvinfo", **needs(*WRITERS))
def post_rvinfo(body: RawBody, context: Ctx, caller: Caller) -> Response:
    """Set it for the first time; 409 afterwards."""
    info = from_v1(strict_json(body))
    try:
        set_rendezvous_info(context, info, actor(caller), expected=0)
    except Conflict as error:
        raise Problem(409, "conflict", "rvInfo already exists") from error
    return _echo(body, 201)


@router.put("/api/v1/rvinfo", **needs(*WRITERS))
def put_rvinfo(body: RawBody, context: Ctx, caller: Caller) -> Response:
    """Set it anew; 404 before it was set for the first time."""
    info = from_v1(strict_json(body))
    try:
        there = context.stores.settings.get(RVINFO).version
        set_rendezvous_info(context, info, actor(caller), there)
    except NotFound as error:
        raise Problem(404, "not-found", "rvInfo does not exist") from error
    return _echo(body)


@router.get("/api/v2/rvinfo", **needs(*ANY))
def get_rvinfo_v2(context: Ctx) -> Response:
    """What new vouchers get, in version 2; an empty list if nothing was set."""
    info = _stored(context)
    return as_json([] if info is None else to_v2(info))


@router.put("/api/v2/rvinfo", **needs(*WRITERS))
def put_rvinfo_v2(body: RawBody, context: Ctx, caller: Caller) -> Response:
    """Set it, whether or not it was set before."""
    set_rendezvous_info(context, from_v2(strict_json(body)), actor(caller))
    return _echo(body)


@router.delete("/api/v2/rvinfo", **needs(*WRITERS))
def delete_rvinfo_v2(context: Ctx, caller: Caller) -> Response:
    """Forget it, and answer with what it was: DI is refused until it is set again."""
    info = _stored(context)
    context.stores.settings.clear(RVINFO, actor(caller), context.now())
    return as_json([] if info is None else to_v2(info))


def _stored(context: Context) -> RendezvousInfo | None:
    found = site.stored_rendezvous_info(context.stores.settings)
    return None if found is None else RendezvousInfo.from_cbor(found)


def _echo(body: bytes, status: int = 200) -> Response:
    return Response(body, status, media_type="application/json")
