"""Rendezvous info: what new vouchers tell devices and owners to try."""

from onboarding.services.api.answers.rendezvous import RvInfoOut
from onboarding.services.api.auth import ANY, Caller, Ctx, actor, needs
from onboarding.services.api.conditions import (
    When,
    answered,
    expected_version,
    setting_tag,
)
from onboarding.services.api.fields import Body
from onboarding.services.api.routing import api_router
from onboarding.services.api.tagged import Tagged
from onboarding.services.api.within import Reach
from onboarding.services.rv_schema import Directives
from onboarding.services.site import rendezvous_info
from onboarding.services.site_changes import set_rendezvous_info
from onboarding.store.apikeys import Role
from onboarding.store.settings_rows import RVINFO
from ownership_vouchers.rendezvous import RendezvousInfo

router = api_router("site")


class RvInfoIn(Body):
    """Directives in order; the keys are the variables' names in lower case."""

    directives: Directives


@router.get("/rvinfo", **needs(*ANY, labels=Reach.OPEN, lines=Reach.OPEN))
def get_rvinfo(context: Ctx, when: When) -> Tagged[RvInfoOut]:
    """What new vouchers get."""
    settings = context.stores.settings
    tag = setting_tag(settings, RVINFO)
    return answered(_shown(rendezvous_info(settings)), tag, when)


@router.put("/rvinfo", **needs(Role.MANUFACTURER, Role.OPERATOR))
def put_rvinfo(
    body: RvInfoIn, context: Ctx, caller: Caller, when: When
) -> Tagged[RvInfoOut]:
    """Set it for vouchers made from now on."""
    info = RendezvousInfo.build(body.directives)
    expected = expected_version(context.stores.settings, RVINFO, when)
    with when.held():
        done = set_rendezvous_info(context, info, actor(caller), expected)
    return answered(_shown(info), f'"{done.version}"')


def _shown(info: RendezvousInfo) -> RvInfoOut:
    return {"directives": info.describe(), "cbor_hex": info.raw.hex()}
