"""The routes under ``/device/v1``: bytes in, bytes out."""

from collections.abc import Callable

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from attestation.device_auth import Purpose
from onboarding.services.api.auth import RawBody
from onboarding.services.api.fields import (
    Body,
    GuidText,
    JsonObject,
    encode_bytes,
    parse_guid,
)
from onboarding.services.api.routing import BYTES, REFUSALS, StrictRoute, takes
from onboarding.services.device_api.attest import EvidenceChannel
from onboarding.services.device_api.enrol import PushEnrolment
from onboarding.services.device_api.proxy import PREFIX, KeylimeProxy, bounded_body
from onboarding.services.device_api.requests import (
    DeviceCall,
    DeviceRequests,
    answer,
)
from onboarding.services.device_api.workload import WorkloadDesk

_COSE = takes({"application/cose": BYTES})


class ChallengeIn(Body):
    """Who wants to make a request."""

    guid: GuidText


def device_router(
    requests: DeviceRequests,
    evidence: EvidenceChannel,
    push: PushEnrolment,
    proxy: KeylimeProxy,
    desk: WorkloadDesk,
) -> APIRouter:
    """Return the device routes over one owner's parts."""
    router = APIRouter(
        prefix="/device/v1",
        tags=["device"],
        route_class=StrictRoute,
        responses=REFUSALS,
    )

    @router.post("/challenge")
    def challenge(body: ChallengeIn) -> JsonObject:
        """A challenge for one signed request; nothing is stored for it."""
        made, expires = requests.challenge(parse_guid(body.guid))
        return {"challenge": encode_bytes(made), "expires": expires}

    def add(
        path: str, purpose: Purpose, act: Callable[[DeviceCall], dict[str, object]]
    ) -> None:
        def route(body: RawBody) -> Response:
            return answer(act(requests.open(body, purpose)))

        router.add_api_route(
            path,
            route,
            methods=["POST"],
            name=path.strip("/").replace("/", "_"),
            summary=(act.__doc__ or "").split("\n")[0],
            **_COSE,
            response_class=Response,
        )

    add("/attest/challenge", Purpose.ATTEST, evidence.challenge)
    add("/attest/log", Purpose.ATTEST, evidence.log)
    add("/attest", Purpose.ATTEST, evidence.attest)
    add("/enrol", Purpose.ENROL, push.begin)
    add("/enrol/proof", Purpose.ENROL, push.complete)
    add("/keylime/session", Purpose.KEYLIME, proxy.session)
    add("/workload", Purpose.WORKLOAD, desk.ask)
    add("/report", Purpose.REPORT, desk.report)
    router.include_router(_proxy_routes(proxy))
    return router


def _proxy_routes(proxy: KeylimeProxy) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    async def forward(request: Request) -> Response:
        route = await run_in_threadpool(proxy.route, request)
        body = await bounded_body(request, route.body_limit)
        headers = {k.lower(): v for k, v in request.headers.items()}
        return await run_in_threadpool(proxy.forward, route, headers, body)

    router.add_api_route(
        PREFIX.removeprefix("/device/v1") + "/{path:path}",
        forward,
        methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
    )
    return router
