"""The routes under ``/device/v1``: bytes in, bytes out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from typing_extensions import TypedDict

from attestation.device_auth import Purpose
from onboarding.services.api.answers.kinds import Seconds
from onboarding.services.api.auth import RawBody
from onboarding.services.api.fields import (
    Body,
    GuidText,
    encode_bytes,
    parse_guid,
)
from onboarding.services.api.routing import BYTES, REFUSALS, StrictRoute, gives, takes
from onboarding.services.device_api.attest import EvidenceChannel
from onboarding.services.device_api.enrol import PushEnrolment
from onboarding.services.device_api.proxy import PREFIX as KEYLIME
from onboarding.services.device_api.proxy import KeylimeProxy, bounded_body
from onboarding.services.device_api.requests import (
    CBOR,
    DeviceCall,
    DeviceRequests,
    answer,
)
from onboarding.services.device_api.workload import WorkloadDesk
from ownership_vouchers.types import Guid

PREFIX = "/device/v1"
_COSE = takes({"application/cose": BYTES})


class ChallengeIn(Body):
    """Who wants to make a request."""

    guid: GuidText


class ChallengeOut(TypedDict):
    """A challenge, base64url, and when it is no longer good."""

    challenge: str
    expires: Seconds


@dataclass(frozen=True, slots=True)
class DeviceRoute:
    """One call of devices: a signed request in, a map out.

    ``apart``: it may wait for others, so it is not for the loop that serves everybody.
    """

    purpose: Purpose
    act: Callable[[DeviceCall], dict[str, object]]
    apart: bool = True


class DeviceCalls:
    """What devices may ask of one owner, by path."""

    def __init__(
        self,
        requests: DeviceRequests,
        evidence: EvidenceChannel,
        push: PushEnrolment,
        proxy: KeylimeProxy,
        desk: WorkloadDesk,
    ) -> None:
        self._requests = requests
        self.proxy = proxy
        self.routes: Mapping[str, DeviceRoute] = {
            "/attest/challenge": DeviceRoute(
                Purpose.ATTEST, evidence.challenge, apart=False
            ),
            "/attest/log": DeviceRoute(Purpose.ATTEST, evidence.log),
            "/attest": DeviceRoute(Purpose.ATTEST, evidence.attest),
            "/enrol": DeviceRoute(Purpose.ENROL, push.begin),
            "/enrol/proof": DeviceRoute(Purpose.ENROL, push.complete),
            "/keylime/session": DeviceRoute(Purpose.KEYLIME, proxy.session),
            "/workload": DeviceRoute(Purpose.WORKLOAD, desk.ask),
            "/report": DeviceRoute(Purpose.REPORT, desk.report),
        }

    def challenge(self, guid: Guid) -> ChallengeOut:
        """A challenge for one signed request; nothing is stored for it."""
        made, expires = self._requests.challenge(guid)
        return {"challenge": encode_bytes(made), "expires": expires}

    def answer(self, route: DeviceRoute, body: bytes) -> Response:
        """Do what was asked; along goes a challenge for the next request.

        Raises one of ``problems.KINDS``.
        """
        call = self._requests.open(body, route.purpose)
        said = route.act(call)
        following, _ = self._requests.challenge(call.guid)
        return answer({**said, "next_challenge": following})


def device_router(calls: DeviceCalls) -> APIRouter:
    """Return the device routes, as they are described and refused.

    ``front`` takes most requests before they come here.
    """
    router = APIRouter(
        prefix=PREFIX,
        tags=["device"],
        route_class=StrictRoute,
        responses=REFUSALS,
    )

    @router.post("/challenge")
    def challenge(body: ChallengeIn) -> ChallengeOut:
        """A challenge for one signed request; nothing is stored for it."""
        return calls.challenge(parse_guid(body.guid))

    def add(path: str, known: DeviceRoute) -> None:
        def route(body: RawBody) -> Response:
            return calls.answer(known, body)

        router.add_api_route(
            path,
            route,
            methods=["POST"],
            name=path.strip("/").replace("/", "_"),
            summary=(known.act.__doc__ or "").split("\n")[0],
            **_COSE,
            **gives(CBOR),
        )

    for path, known in calls.routes.items():
        add(path, known)
    router.include_router(_proxy_routes(calls.proxy))
    return router


def _proxy_routes(proxy: KeylimeProxy) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    async def forward(request: Request) -> Response:
        route = await run_in_threadpool(proxy.route, request)
        body = await bounded_body(request, route.body_limit)
        headers = {k.lower(): v for k, v in request.headers.items()}
        return await run_in_threadpool(proxy.forward, route, headers, body)

    router.add_api_route(
        KEYLIME.removeprefix(PREFIX) + "/{path:path}",
        forward,
        methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
    )
    return router
