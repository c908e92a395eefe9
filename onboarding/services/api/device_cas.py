"""The authorities that our devices' chains end in, and their own authorities."""

from typing import Annotated

from cryptography.hazmat.primitives.serialization import Encoding
from fastapi import Path, Response

from onboarding.services import device_ca
from onboarding.services.api.answers.factory import ChainOut
from onboarding.services.api.auth import ANY, Caller, Ctx, actor, needs
from onboarding.services.api.examples import CERTIFICATE
from onboarding.services.api.fields import Body, CertificatesPem
from onboarding.services.api.keys import require_key
from onboarding.services.api.routing import api_router, gives_text
from onboarding.services.api.within import Reach
from onboarding.services.key_store import KeyKind
from onboarding.services.lines import NAME
from onboarding.store.apikeys import Role
from onboarding.store.events import Event

router = api_router("keys")

CaPath = Annotated[str, Path(pattern=NAME)]
PEM_TYPE = "application/x-pem-file"


class ChainIn(Body):
    """Certificates: the one for our key first, then each one's issuer."""

    chain_pem: CertificatesPem


@router.get(
    "/device-ca",
    **gives_text(PEM_TYPE, CERTIFICATE),
    **needs(*ANY, labels=Reach.OPEN, lines=Reach.OPEN),
)
def get_device_ca(context: Ctx) -> Response:
    """What each device's chain ends in, PEM; for a rendezvous server's trust."""
    store = context.key_store
    tops = (store.chain(info.name)[-1] for info in store.list(KeyKind.DEVICE_CA))
    whole = {one.public_bytes(Encoding.PEM).decode(): None for one in tops}
    return Response("".join(whole), media_type=PEM_TYPE)


@router.get(
    "/device-ca/{name}/request",
    **gives_text("application/pkcs10"),
    **needs(Role.MANUFACTURER),
)
def get_request(name: CaPath, context: Ctx) -> Response:
    """A certificate request for a device CA's key, for an authority above it."""
    require_key(context, KeyKind.DEVICE_CA, name, 404)
    made = device_ca.request(context.key_store, name)
    return Response(made, media_type="application/pkcs10")


@router.put("/device-ca/{name}/chain", **needs(Role.MANUFACTURER))
def put_chain(name: CaPath, body: ChainIn, context: Ctx, caller: Caller) -> ChainOut:
    """Take what the authority above issued; devices made from now on carry it."""
    require_key(context, KeyKind.DEVICE_CA, name, 404)
    pem, now = body.chain_pem.encode(), context.now()
    info = device_ca.take_chain(context.key_store, name, pem, now)
    detail = {"name": name, "certificates": info.certificates}
    event = Event("device_ca.chained", actor(caller), now, detail=detail)
    context.stores.events.append(event)
    return {"name": name, "certificates": info.certificates}
