"""Rendezvous info: what new vouchers tell devices and owners to try."""

from typing import Annotated, Any

from pydantic import Field

from onboarding.services.api.auth import ANY, Caller, Ctx, actor, needs
from onboarding.services.api.fields import Body, JsonObject
from onboarding.services.api.routing import api_router
from onboarding.services.site import rendezvous_info
from onboarding.services.site_changes import set_rendezvous_info
from onboarding.store.apikeys import Role
from ownership_vouchers.rendezvous import RendezvousInfo

router = api_router("site")


class RvInfoIn(Body):
    """Directives in order; the keys are the variables' names in lower case."""

    directives: Annotated[
        list[dict[str, Any]],
        Field(min_length=1, max_length=32),
    ]


@router.get("/rvinfo", **needs(*ANY))
def get_rvinfo(context: Ctx) -> JsonObject:
    """What new vouchers get."""
    return _shown(rendezvous_info(context.stores.settings))


@router.put("/rvinfo", **needs(Role.MANUFACTURER, Role.OPERATOR))
def put_rvinfo(body: RvInfoIn, context: Ctx, caller: Caller) -> JsonObject:
    """Set it for vouchers made from now on."""
    info = RendezvousInfo.build(body.directives)
    set_rendezvous_info(context, info, actor(caller))
    return _shown(info)


def _shown(info: RendezvousInfo) -> JsonObject:
    return {"directives": info.describe(), "cbor_hex": info.raw.hex()}
