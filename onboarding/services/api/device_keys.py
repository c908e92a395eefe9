"""Keys of devices that send none in DI, laid down before by what they are called."""

from collections.abc import Iterator
from typing import Annotated

from fastapi import Query, Response
from pydantic import Field

from onboarding.services import sale
from onboarding.services.api.answers.factory import DeviceKeyOut, StoredKeysOut
from onboarding.services.api.answers.kinds import Listed, listed
from onboarding.services.api.auth import Caller, Ctx, actor, needs
from onboarding.services.api.conditions import When, record_tag
from onboarding.services.api.fields import (
    Body,
    Limit,
    NameCursor,
    PublicPem,
    guid_text,
)
from onboarding.services.api.routing import api_router
from onboarding.store.apikeys import Role
from onboarding.store.device_keys import KnownKey
from ownership_vouchers.keys import PublicKey, load_spki, spki, type_of

router = api_router("device-keys")

Called = Annotated[str, Field(min_length=1, max_length=128)]


class DeviceKeyIn(Body):
    """A device by what it calls itself in DI; a public key or certificate, PEM."""

    name: Called
    pem: PublicPem


class DeviceKeysIn(Body):
    """Some devices; all are taken, or none."""

    devices: Annotated[list[DeviceKeyIn], Field(min_length=1, max_length=1000)]


@router.get("/device-keys", **needs(Role.MANUFACTURER, Role.SECURITY))
def list_device_keys(
    context: Ctx, limit: Limit = 100, cursor: NameCursor = None
) -> Listed[DeviceKeyOut]:
    """Known device keys by name, and the GUID each was used for."""
    page = context.stores.device_keys.page(cursor, limit)
    return listed(page, _shown)


@router.post("/device-keys", status_code=201, **needs(Role.MANUFACTURER))
def post_device_keys(body: DeviceKeysIn, context: Ctx, caller: Caller) -> StoredKeysOut:
    """Lay keys down, each good for one device; a name given again is good again."""
    who, now = actor(caller), context.now()
    context.stores.device_keys.put(list(_keys(body, who, now)), who, now)
    return {"stored": len(body.devices)}


@router.delete("/device-keys", status_code=204, **needs(Role.MANUFACTURER))
def delete_device_key(
    name: Annotated[str, Query(min_length=1, max_length=128)],
    context: Ctx,
    caller: Caller,
    when: When,
) -> Response:
    """Forget the key of one name."""
    known = context.stores.device_keys
    before = known.get(name)
    with when.meeting(before, record_tag(before)) as seen:
        known.delete(name, actor(caller), context.now(), seen)
    return Response(status_code=204)


def _keys(body: DeviceKeysIn, actor: str, at: int) -> Iterator[KnownKey]:
    for one in body.devices:
        key, _chain = sale.read_public(one.pem)
        type_of(key)
        yield KnownKey(one.name, spki(key), at, actor)


def _shown(one: KnownKey) -> DeviceKeyOut:
    return {
        "name": one.name,
        "fingerprint": PublicKey.of(load_spki(one.public_key)).fingerprint(),
        "created_at": one.created_at,
        "created_by": one.created_by,
        "used_by": guid_text(one.used_by),
        "used_at": one.used_at,
        "etag": record_tag(one),
    }
