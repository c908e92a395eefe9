"""Devices' calls before the routes: the same answers, and the same refusals."""

import asyncio
import json
from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI

from attestation.device_auth import DeviceRequest, Purpose, sign_request
from onboarding.device.owner_api import OwnerApi
from onboarding.services.api import problems
from onboarding.services.device_api.attest import EvidenceChannel
from onboarding.services.device_api.enrol import PushEnrolment
from onboarding.services.device_api.front import DeviceFront
from onboarding.services.device_api.proxy import KeylimeProxy
from onboarding.services.device_api.requests import DeviceCall
from onboarding.services.device_api.routes import (
    DeviceCalls,
    DeviceRoute,
    device_router,
)
from onboarding.services.limits import BodyLimit
from onboarding.services.transport import AsgiApp
from ownership_vouchers import cbor
from tests.support.owner_bench import OwnerBench, owner_bench

JSON, COSE = "application/json", "application/cose"
LOOK = "attest/challenge"


class Behind:
    """Where nothing is to arrive that the front takes."""

    def __init__(self, app: AsgiApp) -> None:
        self.app = app
        self.came: list[str] = []

    async def __call__(self, scope, receive, send) -> None:  # type: ignore[no-untyped-def]
        self.came.append(scope["path"])
        await self.app(scope, receive, send)


class Owner:
    """The routes alone, and the front before them."""

    def __init__(self, bench: OwnerBench, *, offload: bool) -> None:
        self.bench = bench
        context, gate = bench.context, bench.gate
        self.calls = DeviceCalls(
            bench.requests,
            EvidenceChannel(context, gate, None),
            PushEnrolment(context, gate, None),
            KeylimeProxy(context, None),
            bench.desk,
        )
        self.offload = offload
        self.refused: list[str] = []
        self.routes = FastAPI()
        problems.install(self.routes, self.refused.append, None)
        self.routes.include_router(device_router(self.calls))
        self.behind = Behind(self.routes)

    @property
    def front(self) -> AsgiApp:
        front = DeviceFront(
            self.behind, self.refused.append, calls=self.calls, offload=self.offload
        )
        return BodyLimit(front, limit=10_000)

    def post(
        self,
        path: str,
        body: bytes,
        kind: str = COSE,
        *,
        app: AsgiApp | None = None,
        method: str = "POST",
    ) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(app or self.front)
            async with httpx.AsyncClient(transport=transport) as http:
                headers = {"content-type": kind}
                url = f"http://owner/device/v1/{path}"
                return await http.request(method, url, content=body, headers=headers)

        return asyncio.run(send())


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnerBench]:
    with owner_bench(tmp_path_factory.mktemp("owner")) as made:
        yield made


@pytest.fixture(params=[False, True], ids=["in the loop", "in threads"])
def owner(bench: OwnerBench, request: pytest.FixtureRequest) -> Owner:
    return Owner(bench, offload=request.param)


ASKED: dict[str, tuple[bytes, str]] = {
    "plainly": (b'{"guid": "%s"}', JSON),
    "with a parameter of the type": (b'{"guid": "%s"}', f"{JSON}; charset=utf-8"),
    "without a type of JSON": (b'{"guid": "%s"}', COSE),
    "of nobody": (b'{"guid": "00000000000000000000000000000000"}', JSON),
    "of no GUID": (b'{"guid": "x"}', JSON),
    "of a number": (b'{"guid": 1}', JSON),
    "with more": (b'{"guid": "%s", "more": 1}', JSON),
    "twice": (b'{"guid": "%s", "guid": "%s"}', JSON),
    "in a list": (b"[]", JSON),
    "with nothing": (b"", JSON),
    "in no JSON": (b"\xff", JSON),
    "nested": (b"[" * 5_000, JSON),
    "at length": (b" " * 10_001, JSON),
}


@pytest.mark.parametrize("name", ASKED)
def test_a_challenge_is_asked_for_as_at_the_route(owner: Owner, name: str) -> None:
    body, kind = ASKED[name]
    body = body.replace(b"%s", str(owner.bench.guid).encode())
    reply = owner.post("challenge", body, kind)
    limited = BodyLimit(owner.routes, limit=10_000)
    again = owner.post("challenge", body, kind, app=limited)
    assert reply.status_code == again.status_code
    assert reply.headers["content-type"] == again.headers["content-type"]
    if reply.status_code == 200:
        assert reply.json().keys() == again.json().keys() == {"challenge", "expires"}
    else:
        assert reply.json() == again.json()


def test_what_a_fleet_asks_does_not_come_to_the_routes(owner: Owner) -> None:
    bench = owner.bench
    body = json.dumps({"guid": str(bench.guid)}).encode()
    assert owner.post("challenge", body, JSON).status_code == 200
    for purpose, paths in {
        Purpose.ATTEST: ("attest/challenge", "attest/log", "attest"),
        Purpose.ENROL: ("enrol", "enrol/proof"),
        Purpose.KEYLIME: ("keylime/session",),
        Purpose.WORKLOAD: ("workload",),
        Purpose.REPORT: ("report",),
    }.items():
        for path in paths:
            reply = owner.post(path, bench.request(purpose))
            again = owner.post(path, bench.request(purpose), app=owner.routes)
            assert reply.status_code == again.status_code
            assert reply.headers["content-type"] == again.headers["content-type"]
            if reply.status_code != 200:
                assert reply.json()["code"] == again.json()["code"]
    assert owner.behind.came == []


def test_a_request_is_good_once_wherever_it_comes_in(owner: Owner) -> None:
    signed = owner.bench.request(Purpose.ATTEST)
    assert owner.post("attest/challenge", signed).status_code != 401
    for app in (owner.front, owner.routes):
        reply = owner.post("attest/challenge", signed, app=app)
        assert (reply.status_code, reply.json()["code"]) == (401, "challenge-used")
    assert owner.refused[-2:] == ["challenge-used"] * 2


class Line:
    """The way from a device's agent to the owner, and what went over it."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self.came: list[str] = []
        http = httpx.Client(transport=httpx.MockTransport(self._carry))
        self.api = OwnerApi(http, "http://owner", owner.bench.guid, owner.bench.device)

    def _carry(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/device/v1/")
        self.came.append(path)
        kind = request.headers["content-type"]
        reply = self._owner.post(path, request.content, kind)
        return httpx.Response(reply.status_code, content=reply.content)


def test_a_device_that_asks_more_asks_for_one_challenge(owner: Owner) -> None:
    line = Line(owner)
    for _ in range(3):
        assert "nonce" in line.api.ask(LOOK, {})
    assert line.came == ["challenge", LOOK, LOOK, LOOK]


def test_a_challenge_that_lived_too_long_meanwhile_is_asked_for_anew(
    owner: Owner,
) -> None:
    line = Line(owner)
    line.api.ask(LOOK, {})
    owner.bench.clock.now += 61
    assert "nonce" in line.api.ask(LOOK, {})
    assert line.came == ["challenge", LOOK, LOOK, "challenge", LOOK]


def test_the_challenge_of_an_answer_is_good_once(owner: Owner) -> None:
    bench = owner.bench
    reply = owner.post(LOOK, bench.request(Purpose.ATTEST))
    given = cbor.bstr(cbor.mapping(cbor.decode(reply.content))["next_challenge"])
    request = DeviceRequest(given, bench.guid, Purpose.ATTEST, cbor.encode({}))
    signed = sign_request(request, bench.device)
    assert owner.post(LOOK, signed).status_code == 200
    assert owner.post(LOOK, signed).json()["code"] == "challenge-used"


def test_other_methods_and_paths_are_left_to_the_routes(owner: Owner) -> None:
    assert owner.post("attest", b"", method="GET").status_code == 405
    assert owner.post("nothing", b"").status_code == 404
    assert owner.post("keylime/v3.0/sessions", b"{}").status_code == 401
    assert len(owner.behind.came) == 3


def test_a_body_over_its_limit_is_refused(owner: Owner) -> None:
    reply = owner.post("attest", bytes(10_001))
    assert (reply.status_code, reply.json()["code"]) == (413, "body-too-large")


def test_a_fault_of_ours_is_logged_and_told_as_one(
    owner: Owner, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_call: DeviceCall) -> dict[str, object]:
        raise ZeroDivisionError("a secret")

    owner.calls.routes = {"/workload": DeviceRoute(Purpose.WORKLOAD, broken)}
    reply = owner.post("workload", owner.bench.request(Purpose.WORKLOAD))
    assert (reply.status_code, reply.json()["code"]) == (500, "internal")
    assert "a secret" not in reply.text
    assert "ZeroDivisionError" in caplog.text
