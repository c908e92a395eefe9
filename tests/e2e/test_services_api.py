"""The management API: who may do what."""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from onboarding.services.api.scopes import GROUPS, scope_of
from onboarding.store.apikeys import Role
from tests.support.api_bench import BODIES, Api, filled, is_problem, send

pytest_plugins = ["tests.support.service_fixtures"]

READERS = {"manufacturer", "operator", "security", "admin"}


ROLES: dict[str, set[str]] = {
    "GET /apikeys": {"admin"},
    "POST /apikeys": {"admin"},
    "DELETE /apikeys/{key_id}": {"admin"},
    "GET /audit/checkpoints": {"security", "admin"},
    "POST /audit/checkpoints": {"security", "admin"},
    "GET /audit/checkpoints/latest": {"security", "admin"},
    "GET /decisions": {"operator", "security", "admin"},
    "GET /device-ca": READERS,
    "GET /device-ca/{name}/request": {"manufacturer", "admin"},
    "PUT /device-ca/{name}/chain": {"manufacturer", "admin"},
    "GET /device-keys": {"manufacturer", "security", "admin"},
    "POST /device-keys": {"manufacturer", "admin"},
    "DELETE /device-keys": {"manufacturer", "admin"},
    "GET /devices": {"operator", "security", "admin"},
    "GET /devices/{guid}": {"operator", "security", "admin"},
    "GET /devices/{guid}/appraisals": {"operator", "security", "admin"},
    "GET /devices/{guid}/deliveries": {"operator", "security", "admin"},
    "GET /devices/{guid}/evidence-pack": {"security", "admin"},
    "GET /devices/{guid}/deliveries/{run}/{position}": {
        "operator",
        "security",
        "admin",
    },
    "GET /devices/{guid}/learning": {"security", "admin"},
    "POST /devices/{guid}/learning": {"security", "admin"},
    "GET /devices/{guid}/learning/draft": {"security", "admin"},
    "GET /devices/{guid}/service-info": {"operator", "security", "admin"},
    "PUT /devices/{guid}/service-info": {"operator", "admin"},
    "GET /devices/{guid}/timeline": {"operator", "security", "admin"},
    "GET /devices/{guid}/assignment": {"operator", "security", "admin"},
    "PUT /devices/{guid}/assignment": {"operator", "admin"},
    "PUT /devices/{guid}/freeze": {"operator", "security", "admin"},
    "GET /devices/{guid}/labels": {"operator", "security", "admin"},
    "PUT /devices/{guid}/labels": {"operator", "admin"},
    "PUT /devices/{guid}/policy": {"operator", "security", "admin"},
    "POST /devices/{guid}/retire": {"operator", "admin"},
    "POST /devices/{guid}/withdraw": {"operator", "security", "admin"},
    "GET /diagnosis": READERS,
    "GET /ek-refusals": {"operator", "security", "admin"},
    "POST /ek-refusals": {"security", "admin"},
    "DELETE /ek-refusals/{digest}": {"security", "admin"},
    "GET /ek-acceptances": {"operator", "security", "admin"},
    "POST /ek-acceptances": {"security", "admin"},
    "DELETE /ek-acceptances/{digest}": {"security", "admin"},
    "GET /ek-roots": {"operator", "security", "admin"},
    "POST /ek-roots": {"security", "admin"},
    "DELETE /ek-roots/{digest}": {"security", "admin"},
    "GET /ek-crls": {"operator", "security", "admin"},
    "POST /ek-crls": {"security", "admin"},
    "DELETE /ek-crls/{digest}": {"security", "admin"},
    "GET /ek-trust": {"operator", "security", "admin"},
    "POST /ek-trust/bundles": {"security", "admin"},
    "GET /ek-trust/versions": {"operator", "security", "admin"},
    "GET /ek-trust/versions/{number}": {"operator", "security", "admin"},
    "GET /events": {"security", "admin"},
    "GET /events/stream": {"security", "admin"},
    "GET /keys": READERS,
    "GET /keys/{fingerprint}": {"operator", "security", "admin"},
    "GET /keys/{fingerprint}/vouchers": {"operator", "security", "admin"},
    "POST /keys/{fingerprint}/rotate": {"security", "admin"},
    "POST /keys/{fingerprint}/retire": {"security", "admin"},
    "POST /keys/{fingerprint}/revoke": {"security", "admin"},
    "POST /keys/{fingerprint}/reinstate": {"security", "admin"},
    "POST /keys/match": {"operator", "security", "admin"},
    "GET /lines": {"manufacturer", "security", "admin"},
    "GET /lines/{name}": {"manufacturer", "security", "admin"},
    "PUT /lines/{name}": {"manufacturer", "admin"},
    "DELETE /lines/{name}": {"manufacturer", "admin"},
    "POST /lines/{name}/stations": {"manufacturer", "admin"},
    "DELETE /lines/{name}/stations/{station}": {"manufacturer", "admin"},
    "GET /made": {"manufacturer", "security", "admin"},
    "POST /made/settle": {"manufacturer", "admin"},
    "GET /manifests": {"operator", "security", "admin"},
    "POST /manifests": {"operator", "admin"},
    "POST /passports": {"manufacturer", "admin"},
    "GET /policies": {"operator", "security", "admin"},
    "POST /policies": {"security", "admin"},
    "GET /cohorts": {"operator", "security", "admin"},
    "GET /cohorts/{name}": {"operator", "security", "admin"},
    "PUT /cohorts/{name}": {"security", "admin"},
    "DELETE /cohorts/{name}": {"security", "admin"},
    "POST /cohorts/{name}/enforce": {"security", "admin"},
    "POST /cohorts/{name}/update": {"security", "admin"},
    "PUT /devices/{guid}/agent": {"security", "admin"},
    "GET /keylime/drift": {"operator", "security", "admin"},
    "POST /keylime/drift/mend": {"security", "admin"},
    "GET /updates": {"operator", "security", "admin"},
    "GET /verifiers": {"operator", "security", "admin"},
    "DELETE /devices/{guid}/update": {"security", "admin"},
    "POST /runtime-policies": {"security", "admin"},
    "GET /runtime-policies/{digest}": {"operator", "security", "admin"},
    "GET /policies/{name}/diff": {"operator", "security", "admin"},
    "GET /policies/{name}": {"operator", "security", "admin"},
    "GET /registrations": {"operator", "security", "admin"},
    "GET /registrations/owners": {"operator", "security", "admin"},
    "GET /key-rules/{holder}": {"operator", "security", "admin"},
    "PUT /key-rules/{holder}/{fingerprint}": {"security", "admin"},
    "DELETE /key-rules/{holder}/{fingerprint}": {"security", "admin"},
    "GET /rvinfo": READERS,
    "PUT /rvinfo": {"manufacturer", "operator", "admin"},
    "GET /security": {"operator", "security", "admin"},
    "GET /unattested": {"operator", "security", "admin"},
    "GET /service-info/files": {"operator", "security", "admin"},
    "POST /service-info/files": {"operator", "admin"},
    "DELETE /service-info/files/{digest}": {"operator", "admin"},
    "GET /service-info/plans": {"operator", "security", "admin"},
    "POST /service-info/plans": {"operator", "admin"},
    "GET /service-info/plans/{name}": {"operator", "security", "admin"},
    "GET /service-info/rules": {"operator", "security", "admin"},
    "PUT /service-info/rules": {"operator", "admin"},
    "GET /sightings": READERS,
    "GET /to0": {"operator", "security", "admin"},
    "GET /to0/{guid}": {"operator", "security", "admin"},
    "GET /rendezvous-servers": {"operator", "security", "admin"},
    "POST /rendezvous-servers/reset": {"operator", "admin"},
    "POST /to0/{guid}": {"operator", "admin"},
    "GET /to2-address": READERS,
    "PUT /to2-address": {"operator", "admin"},
    "GET /traces": READERS,
    "DELETE /traces": {"operator", "admin"},
    "GET /trust": READERS,
    "PUT /trust": {"security", "admin"},
    "GET /vouchers": READERS,
    "POST /vouchers": {"operator", "admin"},
    "GET /vouchers/{guid}": READERS,
    "DELETE /vouchers/{guid}": {"manufacturer", "operator", "admin"},
    "GET /vouchers/{guid}/credential": {"operator", "security", "admin"},
    "PUT /vouchers/{guid}/credential": {"operator", "admin"},
    "POST /vouchers/extend": {"manufacturer", "admin"},
    "POST /vouchers/{guid}/extend": {"manufacturer", "operator", "admin"},
    "GET /vouchers/{guid}/lineage": {"operator", "security", "admin"},
    "POST /vouchers/{guid}/recover": {"operator", "admin"},
    "POST /vouchers/{guid}/resell": {"operator", "admin"},
    "GET /vouchers/{guid}/passport": READERS,
    "GET /vouchers/{guid}/pem": READERS,
    "GET /webhooks": {"security", "admin"},
    "POST /webhooks": {"security", "admin"},
    "GET /webhooks/{webhook}": {"security", "admin"},
    "DELETE /webhooks/{webhook}": {"security", "admin"},
    "POST /webhooks/{webhook}/rotate": {"security", "admin"},
    "POST /webhooks/{webhook}/resume": {"security", "admin"},
    "GET /webhooks/{webhook}/deliveries": {"security", "admin"},
    "POST /webhooks/{webhook}/redeliver": {"security", "admin"},
    "POST /webhooks/{webhook}/deliveries/{seq}/redeliver": {"security", "admin"},
}


WITHOUT_KEY = {"/healthz", "/readyz", "/metrics"}


def test_each_route_says_which_roles_it_lets_in(api: Api) -> None:
    document = api.service.http.get("/api/v1/openapi.json").json()
    said = {
        f"{method.upper()} {path.removeprefix('/api/v1')}": set(one["x-roles"])
        for path, methods in document["paths"].items()
        for method, one in methods.items()
        if path.startswith("/api/v1/")
    }
    assert said == ROLES
    others = {path for path in document["paths"] if not path.startswith("/api/v1/")}
    assert {path for path in others if "/device/" not in path} == WITHOUT_KEY
    assert document["openapi"].startswith("3.1")


@pytest.mark.parametrize("route", list(ROLES))
def test_a_route_lets_in_its_roles_and_no_other(api: Api, route: str) -> None:
    for role in Role:
        reply = send(api, route, role)
        if role.value in ROLES[route]:
            assert reply.status_code not in (401, 403, 405), reply.text
            assert reply.status_code < 500, reply.text
        else:
            assert reply.status_code == 403
            assert reply.json()["code"] == "role-refused"


@pytest.fixture(scope="module")
def tags(api: Api) -> dict[str, str]:
    """The group that each route is in, as a key's scopes call it."""
    document = api.service.http.get("/api/v1/openapi.json").json()
    return {
        f"{method.upper()} {path.removeprefix('/api/v1')}": scope_of(one["tags"][0])
        for path, methods in document["paths"].items()
        for method, one in methods.items()
    }


@pytest.fixture(scope="module")
def scoped(api: Api, tags: dict[str, str]) -> Callable[..., str]:
    """An admin's key with those scopes."""

    @cache
    def key(*scopes: str) -> str:
        body = {"name": "n", "role": "admin", "scopes": scopes}
        made = api.call("POST", "/apikeys", json=body)
        assert made.status_code == 201, made.text
        return str(made.json()["key"])

    return key


@pytest.mark.parametrize("route", list(ROLES))
def test_a_key_with_scopes_opens_the_routes_of_its_groups_and_no_other(
    api: Api, route: str, tags: dict[str, str], scoped: Callable[..., str]
) -> None:
    own, looks = tags[route], route.startswith("GET ")
    others = tuple(sorted({tags[one] for one in ROLES} - {own}))
    for scopes, opens in (((own,), True), ((f"{own}:read",), looks), (others, False)):
        narrow = replace(api, keys={Role.ADMIN: scoped(*scopes)})
        asked: dict[str, Any] = {}
        if route == "POST /apikeys":  # it gives away what it has, and no more
            asked["json"] = {**BODIES[route], "scopes": [own]}
        reply = send(narrow, route, Role.ADMIN, **asked)
        if opens:
            assert reply.status_code not in (401, 403, 405), reply.text
        else:
            assert reply.status_code == 403
            assert reply.json()["code"] == "scope-refused"


def test_a_scope_is_a_group_of_routes_that_there_is(
    api: Api, tags: dict[str, str]
) -> None:
    assert {tags[one] for one in ROLES} == GROUPS
    body = {"name": "n", "role": "admin", "scopes": ["vouchers", "voucher:read"]}
    reply = api.call("POST", "/apikeys", json=body)
    assert is_problem(reply)
    assert (reply.status_code, reply.json()["code"]) == (422, "invalid")
    assert "'voucher'" in reply.json()["detail"]


@pytest.mark.parametrize(
    ("scopes", "may"),
    [
        ([], False),
        (["webhooks"], False),
        (["audit"], False),
        (["api-keys", "webhooks:read"], False),
        (["api-keys"], True),
        (["api-keys:read", "audit:read"], True),
    ],
)
def test_a_key_with_scopes_makes_none_that_opens_more(
    api: Api, scoped: Callable[..., str], scopes: list[str], may: bool
) -> None:
    narrow = replace(api, keys={Role.ADMIN: scoped("api-keys", "audit:read")})
    body = {"name": "n", "role": "admin", "scopes": scopes}
    reply = narrow.call("POST", "/apikeys", json=body)
    assert reply.status_code == (201 if may else 403), reply.text
    if not may:
        assert reply.json()["code"] == "scope-refused"


def test_a_key_with_scopes_opens_no_console(
    api: Api, scoped: Callable[..., str]
) -> None:
    http = api.service.http
    word = re.search(r'name="csrf" value="([^"]+)"', http.get("/login").text)
    assert word is not None
    form = {"csrf": word[1], "key": scoped("vouchers")}
    assert http.post("/login", data=form).status_code == 401
    http.cookies.clear()


@pytest.mark.parametrize("route", list(ROLES))
def test_no_route_answers_without_a_key(api: Api, route: str) -> None:
    method, path = filled(route)
    for headers in (
        {},
        {"X-API-Key": "vg_00_nonsense"},
        {"Authorization": "Basic dXNlcjpwYXNz"},
        {"Authorization": "Bearer x"},
        {"X-API-Key": "\xff" * 300},
    ):
        raw = [(k.encode(), v.encode("latin-1")) for k, v in headers.items()]
        reply = api.service.http.request(method, f"/api/v1{path}", headers=raw)
        assert reply.status_code == 401
        assert is_problem(reply)
        assert "www-authenticate" in reply.headers


def test_a_key_may_come_as_a_bearer_token(api: Api) -> None:
    headers = {"Authorization": f"Bearer {api.keys[Role.ADMIN]}"}
    assert api.service.http.get("/api/v1/keys", headers=headers).status_code == 200


def test_a_revoked_key_opens_nothing(api: Api) -> None:
    body = {"name": "short-lived", "role": "operator"}
    made = api.call("POST", "/apikeys", json=body).json()
    assert api.service.call(made["key"], "GET", "/keys").status_code == 200
    assert api.call("DELETE", f"/apikeys/{made['id']}").status_code == 204
    assert api.service.call(made["key"], "GET", "/keys").status_code == 401
    listed = api.call("GET", "/apikeys").text
    assert made["key"] not in listed


def test_health_needs_no_key(api: Api) -> None:
    for path in WITHOUT_KEY:
        assert api.service.http.get(path).status_code == 200


@pytest.mark.parametrize("route", [*ROLES, "GET /traces?limit=0", "POST /apikeys?x"])
def test_an_answer_is_of_a_type_that_the_document_names(api: Api, route: str) -> None:
    method, path = route.split(" ")
    document = api.service.http.get("/api/v1/openapi.json").json()
    said = document["paths"][f"/api/v1{path.partition('?')[0]}"][method.lower()]
    for _ in range(2):  # what was stored before is answered otherwise
        reply = send(api, route, Role.ADMIN)
        status = str(reply.status_code)
        answers = said["responses"].get(status, said["responses"]["default"])
        named = set(answers.get("content", {}))
        found = reply.headers.get("content-type", "").partition(";")[0]
        assert ({found} if found else set()) <= named, (found, named)
    refused = said["responses"]["default"]["content"]
    assert list(refused) == ["application/problem+json"]
    if reply.is_error:
        problem = document["components"]["schemas"]["Problem"]
        assert set(problem["required"]) <= reply.json().keys()
