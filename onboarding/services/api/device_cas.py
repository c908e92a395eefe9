"""The certificates that our devices' chains end in."""

from fastapi import Response

from onboarding.services.api.auth import ANY, Ctx, needs
from onboarding.services.api.routing import api_router
from onboarding.services.key_store import KeyKind

router = api_router("keys")


@router.get("/device-ca", **needs(*ANY))
def get_device_ca(context: Ctx) -> Response:
    """Every device CA certificate, PEM; for a rendezvous server's trust."""
    infos = context.key_store.list(KeyKind.DEVICE_CA)
    pem = "".join(info.certificate_pem or "" for info in infos)
    return Response(pem, media_type="application/x-pem-file")
