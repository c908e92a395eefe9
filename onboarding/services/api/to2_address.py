"""Where devices that were redirected find this owner."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from onboarding.services.api.answers.rendezvous import AddressesOut
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
from onboarding.services.rv_schema import HOST
from onboarding.services.site import to2_addresses
from onboarding.services.site_changes import set_to2_addresses
from onboarding.store.apikeys import Role
from onboarding.store.settings_rows import TO2_ADDRESSES
from ownership_vouchers.rendezvous import To2Address, TransportProtocol

router = api_router("site")


Dns = Annotated[str, StringConstraints(pattern=HOST)]
Ip = Annotated[
    str,
    StringConstraints(min_length=2, max_length=45),
    Field(json_schema_extra={"anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]}),
]


class _Address(Body):
    port: Annotated[int, Field(ge=1, le=65535, strict=True)]
    protocol: Literal["http", "https"] = "https"


class NamedIn(_Address):
    """A DNS name, and an IP address beside it if there is one."""

    dns: Dns
    ip: Ip | None = None


class NumberedIn(_Address):
    """An IP address alone."""

    dns: None = None
    ip: Ip


class AddressesIn(Body):
    """Addresses in order of preference."""

    addresses: Annotated[list[NamedIn | NumberedIn], Field(min_length=1, max_length=32)]


@router.get("/to2-address", **needs(*ANY, labels=Reach.OPEN, lines=Reach.OPEN))
def get_address(context: Ctx, when: When) -> Tagged[AddressesOut]:
    """Where this owner's devices are sent."""
    settings = context.stores.settings
    tag = setting_tag(settings, TO2_ADDRESSES)
    return answered(_shown(to2_addresses(settings)), tag, when)


@router.put("/to2-address", **needs(Role.OPERATOR))
def put_address(
    body: AddressesIn, context: Ctx, caller: Caller, when: When
) -> Tagged[AddressesOut]:
    """Set it, and register every device that is not onboarded yet anew."""
    addresses = tuple(
        To2Address(one.ip, one.dns, one.port, TransportProtocol[one.protocol.upper()])
        for one in body.addresses
    )
    expected = expected_version(context.stores.settings, TO2_ADDRESSES, when)
    with when.held():
        done = set_to2_addresses(context, addresses, actor(caller), expected)
    return answered(_shown(addresses), f'"{done.version}"')


def _shown(addresses: tuple[To2Address, ...]) -> AddressesOut:
    return {
        "addresses": [
            {
                "dns": one.dns,
                "ip": one.ip,
                "port": one.port,
                "protocol": one.protocol.name.lower(),
            }
            for one in addresses
        ]
    }
