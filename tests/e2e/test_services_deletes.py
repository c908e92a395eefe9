"""What can be deleted is deleted only as it was seen, if that is said: all of it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_der_x509_crl

from onboarding.services.api.examples import FINGERPRINT
from onboarding.store.apikeys import Role
from tests.support.api_bench import BODIES, Api, started
from tests.support.console_bench import Console
from tests.support.databases import NewDatabase
from tests.support.ek_authority import Issuer
from tests.support.services import Running, Site

pytest_plugins = ["tests.support.service_fixtures", "tests.support.console_fixtures"]


@pytest.fixture(scope="module")
def bench(
    tmp_path_factory: pytest.TempPathFactory, databases: NewDatabase
) -> Iterator[Api]:
    yield from started(Site(tmp_path_factory.mktemp("bench"), databases=databases))


@dataclass
class Caller:
    """An admin of one service."""

    service: Running
    key: str

    def __call__(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        reply = self.service.call(self.key, method, path, **kwargs)
        assert reply.is_success, (path, reply.text)
        return reply

    def delete(self, path: str, tag: str) -> httpx.Response:
        headers = {"X-API-Key": self.key, "If-Match": tag}
        return self.service.http.delete(f"/api/v1{path}", headers=headers)


Seen = tuple[str, str]  # path and ETag


def api_key(call: Caller) -> Seen:
    made = call("POST", "/apikeys", json=BODIES["POST /apikeys"]).json()
    return f"/apikeys/{made['id']}", made["etag"]


def by_hand(kind: str) -> Callable[[Caller], Seen]:
    def make(call: Caller) -> Seen:
        made = call("POST", f"/{kind}", json=BODIES[f"POST /{kind}"]).json()
        return f"/{kind}/{FINGERPRINT}", made["etag"]

    return make


def trusted(call: Caller, issuer: Issuer) -> Seen:
    content = issuer.certificate.public_bytes(Encoding.PEM)
    (one,) = call("POST", "/ek-roots", content=content).json()["items"]
    return f"/ek-roots/{one['digest']}", one["etag"]


def root(call: Caller) -> Seen:
    return trusted(call, Issuer("EK root"))


def crl(call: Caller) -> Seen:
    issuer = Issuer("EK root with a CRL")
    trusted(call, issuer)
    content = load_der_x509_crl(issuer.crl()).public_bytes(Encoding.PEM)
    (one,) = call("POST", "/ek-crls", content=content).json()["items"]
    return f"/ek-crls/{one['digest']}", one["etag"]


def device_key(call: Caller) -> Seen:
    call("POST", "/device-keys", json=BODIES["POST /device-keys"])
    (one,) = call("GET", "/device-keys").json()["items"]
    return f"/device-keys?name={one['name']}", one["etag"]


def file(call: Caller) -> Seen:
    made = call("POST", "/service-info/files?name=motd", content=b"welcome").json()
    return f"/service-info/files/{made['sha256']}", made["etag"]


def line(call: Caller) -> Seen:
    made = call("PUT", "/lines/one", json={"require_key": False})
    return "/lines/one", made.headers["etag"]


def station(call: Caller) -> Seen:
    line(call)
    made = call("POST", "/lines/one/stations", json={"name": "bench"}).json()
    (one,) = call("GET", "/lines/one").json()["stations"]
    return f"/lines/one/stations/{made['id']}", one["etag"]


def key_rule(call: Caller) -> Seen:
    path = f"/key-rules/owner/{FINGERPRINT}"
    return path, call("PUT", path, json={"quota": 3}).headers["etag"]


def webhook(call: Caller) -> Seen:
    made = call("POST", "/webhooks", json=BODIES["POST /webhooks"]).json()
    path = f"/webhooks/{made['id']}"
    return path, call("GET", path).headers["etag"]


def voucher(call: Caller) -> Seen:
    listed = call("GET", "/vouchers?serial=OLD-0001").json()["items"]
    path = f"/vouchers/{listed[0]['guid']}"
    return path, call("GET", path).headers["etag"]


def cohort(call: Caller) -> Seen:
    body = {"labels": {"site": "Chur"}, "policy": "boot"}
    return "/cohorts/chur", call("PUT", "/cohorts/chur", json=body).headers["etag"]


def update(call: Caller) -> Seen:
    (device, *_) = call("GET", "/devices?q=SRV-0001").json()["items"]
    labels = call("GET", "/cohorts/basel").json()["labels"]
    call("PUT", f"/devices/{device['guid']}/labels", json={"labels": labels})
    policy = {**BODIES["POST /policies"], "name": "boot"}
    version = call("POST", "/policies", json=policy).json()["version"]
    body = {"version": version, "image": FINGERPRINT, "seconds": 600}
    call("POST", "/cohorts/basel/update", json=body)
    one = next(
        one
        for one in call("GET", "/updates").json()["items"]
        if one["guid"] == device["guid"]
    )
    return f"/devices/{one['guid']}/update", one["etag"]


ON_ITS_OWN: dict[str, Callable[[Caller], Seen]] = {
    "/apikeys/{key_id}": api_key,
    "/ek-roots/{digest}": root,
    "/ek-crls/{digest}": crl,
    "/ek-acceptances/{digest}": by_hand("ek-acceptances"),
    "/ek-refusals/{digest}": by_hand("ek-refusals"),
    "/device-keys": device_key,
    "/service-info/files/{digest}": file,
    "/lines/{name}/stations/{station}": station,
    "/lines/{name}": line,
    "/key-rules/{holder}/{fingerprint}": key_rule,
    "/webhooks/{webhook}": webhook,
}
OF_A_FLEET: dict[str, Callable[[Caller], Seen]] = {
    "/vouchers/{guid}": voucher,
    "/cohorts/{name}": cohort,
    "/devices/{guid}/update": update,
}
# Not one thing that somebody could have seen.
IN_BULK = {"/traces"}


def require_deleted_as_seen(call: Caller, make: Callable[[Caller], Seen]) -> None:
    path, seen = make(call)
    for other in ('"0"', f"W/{seen}", ""):
        refused = call.delete(path, other)
        assert (refused.status_code, refused.json()["code"]) == (
            412,
            "precondition-failed",
        )
    assert call.delete(path, f'"0", {seen}').is_success
    assert call.delete(path, seen).status_code in (404, 412)


@pytest.mark.parametrize("path", ON_ITS_OWN)
def test_a_thing_is_deleted_only_as_it_was_seen(bench: Api, path: str) -> None:
    call = Caller(bench.service, bench.keys[Role.ADMIN])
    require_deleted_as_seen(call, ON_ITS_OWN[path])


@pytest.mark.parametrize("path", OF_A_FLEET)
def test_a_part_of_a_fleet_is_deleted_only_as_it_was_seen(
    console: Console, path: str
) -> None:
    call = Caller(console.service, console.keys[Role.ADMIN])
    require_deleted_as_seen(call, OF_A_FLEET[path])


def test_a_key_that_was_used_is_still_the_key_that_was_seen(bench: Api) -> None:
    call = Caller(bench.service, bench.keys[Role.ADMIN])
    made = call("POST", "/apikeys", json=BODIES["POST /apikeys"]).json()
    assert bench.service.call(made["key"], "GET", "/vouchers").is_success
    assert call.delete(f"/apikeys/{made['id']}", made["etag"]).status_code == 204


def test_no_route_that_deletes_is_forgotten_here(bench: Api) -> None:
    document = bench.service.http.get("/api/v1/openapi.json").json()
    deleting = {
        path.removeprefix("/api/v1")
        for path, operations in document["paths"].items()
        if "delete" in operations
    }
    assert deleting == ON_ITS_OWN.keys() | OF_A_FLEET.keys() | IN_BULK
