"""Two people change the same thing: one succeeds, and the other is told."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from onboarding.services.api.examples import EXAMPLES
from onboarding.store.apikeys import Role
from tests.support.api_bench import BODIES, Api, filled, started
from tests.support.console_bench import Console
from tests.support.databases import NewDatabase
from tests.support.services import Running, Site

pytest_plugins = ["tests.support.service_fixtures", "tests.support.console_fixtures"]

SETTINGS = ("/rvinfo", "/to2-address", "/trust")
every_setting = pytest.mark.parametrize("path", SETTINGS)


@pytest.fixture
def fresh(
    tmp_path_factory: pytest.TempPathFactory, databases: NewDatabase
) -> Iterator[Api]:
    yield from started(Site(tmp_path_factory.mktemp("fresh"), databases=databases))


def put(api: Api, path: str, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    key = {"X-API-Key": api.keys[Role.ADMIN]}
    return api.service.http.put(
        f"/api/v1{path}", json=BODIES[f"PUT {path}"], headers={**key, **named}
    )


def refused(reply: httpx.Response) -> bool:
    return (reply.status_code, reply.json().get("code")) == (412, "precondition-failed")


@every_setting
def test_a_setting_is_changed_only_from_the_state_that_was_seen(
    fresh: Api, path: str
) -> None:
    first = put(fresh, path, if_none_match="*")
    assert first.status_code == 200, first.text
    assert refused(put(fresh, path, if_none_match="*"))
    seen = fresh.call("GET", path).headers["etag"]
    assert seen == first.headers["etag"]
    again = put(fresh, path, if_match=f'"0", {seen}')
    assert again.status_code == 200
    assert again.headers["etag"] != seen
    assert refused(put(fresh, path, if_match=seen))
    assert refused(put(fresh, path, if_match=f"W/{again.headers['etag']}"))
    assert refused(put(fresh, path, if_match="nonsense"))
    assert put(fresh, path, if_match="*").status_code == 200
    assert put(fresh, path).status_code == 200


@every_setting
def test_what_was_never_set_matches_nothing(fresh: Api, path: str) -> None:
    assert refused(put(fresh, path, if_match="*"))
    assert refused(put(fresh, path, if_match='"1"'))


@every_setting
def test_who_has_it_already_is_not_sent_it_again(fresh: Api, path: str) -> None:
    tag = put(fresh, path).headers["etag"]
    key = {"X-API-Key": fresh.keys[Role.ADMIN]}
    http = fresh.service.http
    for given, status in ((tag, 304), (f"W/{tag}", 304), ('"9"', 200)):
        headers = {**key, "If-None-Match": given}
        reply = http.get(f"/api/v1{path}", headers=headers)
        assert (reply.status_code, reply.headers["etag"]) == (status, tag)


def test_of_many_who_saw_the_same_one_succeeds(fresh: Api) -> None:
    seen = put(fresh, "/trust").headers["etag"]
    with ThreadPoolExecutor(8) as pool:
        tries = [pool.submit(put, fresh, "/trust", if_match=seen) for _ in range(8)]
    assert sorted(one.result().status_code for one in tries) == [200] + [412] * 7


def test_a_policy_follows_the_version_that_was_seen(fresh: Api) -> None:
    body = {**BODIES["POST /policies"], "name": "p"}

    def post(changed: dict[str, Any], **headers: str) -> httpx.Response:
        key = {"X-API-Key": fresh.keys[Role.ADMIN]}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return fresh.service.http.post(
            "/api/v1/policies", json={**body, **changed}, headers={**key, **named}
        )

    assert refused(post({}, if_match="*"))
    first = post({}, if_none_match="*")
    assert first.status_code == 201
    seen = fresh.call("GET", "/policies/p").headers["etag"]
    assert first.headers["etag"] == seen
    assert post({"lease_seconds": 90}, if_match=seen).json()["version"] == 2
    assert refused(post({"lease_seconds": 99}, if_match=seen))
    assert refused(post({"lease_seconds": 99, "version": 3}, if_match=seen))
    assert fresh.call("GET", "/policies/p").json()["versions"] == [2, 1]


def test_labels_and_assignment_are_changed_only_as_they_were_seen(
    console: Console,
) -> None:
    key = {"X-API-Key": console.keys[Role.OPERATOR]}
    http = console.service.http
    listed = http.get("/api/v1/devices?q=SRV-0001", headers=key).json()["items"]
    device = f"/api/v1/devices/{listed[0]['guid']}"
    manifest = http.get("/api/v1/manifests", headers=key).json()["items"][0]
    chosen = {"manifest": manifest["name"], "version": manifest["version"]}
    for name, body in (
        ("labels", {"labels": {"site": "Bern"}}),
        ("assignment", {"manifest": None}),
        ("assignment", chosen),
    ):
        before = http.get(f"{device}/{name}", headers=key)
        seen = {**key, "If-Match": before.headers["etag"]}
        done = http.put(f"{device}/{name}", json=body, headers=seen)
        assert done.status_code == 200, done.text
        assert refused(http.put(f"{device}/{name}", json=body, headers=seen))
        after = http.get(f"{device}/{name}", headers=key)
        assert after.headers["etag"] == done.headers["etag"] != seen["If-Match"]
        assert after.json() == done.json()


KEY_RULE = f"/key-rules/owner/{'ab' * 32}"
NAMED = {
    "/lines/one": ({"require_key": False}, {"require_key": True}),
    "/cohorts/one": (
        {"labels": {"site": "a"}, "policy": "boot"},
        {"labels": {"site": "b"}, "policy": "boot"},
    ),
    KEY_RULE: ({"verdict": "deny"}, {"quota": 3}),
}


def put_body(api: Api, path: str, body: object, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    key = {"X-API-Key": api.keys[Role.ADMIN]}
    http = api.service.http
    return http.put(f"/api/v1{path}", json=body, headers={**key, **named})


def tag_now(api: Api, path: str) -> str:
    if path != KEY_RULE:
        return str(api.call("GET", path).headers["etag"])
    (rule,) = api.call("GET", "/key-rules/owner").json()["items"]
    return str(rule["etag"])


@pytest.mark.parametrize("path", NAMED)
def test_what_has_a_name_is_changed_only_from_the_state_that_was_seen(
    fresh: Api, path: str
) -> None:
    fresh.call("POST", "/policies", json={**BODIES["POST /policies"], "name": "boot"})
    one, other = NAMED[path]
    assert refused(put_body(fresh, path, one, if_match="*"))
    assert refused(put_body(fresh, path, one, if_match=""))
    first = put_body(fresh, path, one, if_none_match="*")
    assert first.status_code == 200, first.text
    assert refused(put_body(fresh, path, other, if_none_match="*"))
    seen = tag_now(fresh, path)
    assert first.headers["etag"] == seen
    with ThreadPoolExecutor(4) as pool:
        tries = [
            pool.submit(put_body, fresh, path, other, if_match=seen) for _ in range(4)
        ]
    assert sorted(each.result().status_code for each in tries) == [200] + [412] * 3
    assert tag_now(fresh, path) != seen
    assert put_body(fresh, path, one).status_code == 200


@pytest.mark.parametrize("path", NAMED)
def test_what_has_a_name_is_deleted_only_as_it_was_seen(fresh: Api, path: str) -> None:
    fresh.call("POST", "/policies", json={**BODIES["POST /policies"], "name": "boot"})
    one, other = NAMED[path]
    key, http = {"X-API-Key": fresh.keys[Role.ADMIN]}, fresh.service.http

    def delete(tag: str) -> httpx.Response:
        return http.delete(f"/api/v1{path}", headers={**key, "If-Match": tag})

    seen = put_body(fresh, path, one).headers["etag"]
    assert put_body(fresh, path, other).status_code == 200
    assert refused(delete(seen))
    now = tag_now(fresh, path)
    with ThreadPoolExecutor(2) as pool:
        tries = [pool.submit(delete, now) for _ in range(2)]
    first, second = sorted(each.result().status_code for each in tries)
    assert (first, second in (404, 412)) == (204, True)
    assert refused(put_body(fresh, path, one, if_match="*"))


def unmet(service: Running, key: str, guid: str) -> dict[str, int]:
    """How each route that takes If-Match refuses what was never its state."""
    document = service.http.get("/api/v1/openapi.json").json()
    found: dict[str, int] = {}
    for path, operations in document["paths"].items():
        for method, said in operations.items():
            named = {one["name"].lower(): one for one in said.get("parameters", ())}
            if "if-match" not in named or method == "get":
                continue
            route = f"{method.upper()} {path.removeprefix('/api/v1')}"
            verb, where = filled(route.replace("{guid}", guid))
            body = EXAMPLES.get(route)
            found[route] = service.http.request(
                verb,
                f"/api/v1{where}",
                headers={"X-API-Key": key, "If-Match": '"of-nothing"'},
                params={
                    name: "x"
                    for name, one in named.items()
                    if one["in"] == "query" and one["required"]
                },
                json=body,
            ).status_code
    return found


def test_no_change_passes_that_is_to_meet_what_is_not_there(
    fresh: Api, console: Console
) -> None:
    guid = str(console.fleet.registered)
    owner = unmet(console.service, console.keys[Role.ADMIN], guid)
    found = {**unmet(fresh.service, fresh.keys[Role.ADMIN], guid), **owner}
    assert set(found.values()) <= {404, 412}, found
    met = {route for route, status in found.items() if status == 412}
    devices = {route for route in found if route.startswith("PUT /devices/{guid}")}
    assert devices | {"PUT /vouchers/{guid}/credential"} <= met
    assert len(met) > 15


def test_plans_and_credentials_are_changed_only_as_they_were_seen(
    console: Console,
) -> None:
    key, http = {"X-API-Key": console.keys[Role.ADMIN]}, console.service.http
    plan = {**BODIES["POST /service-info/plans"], "name": "p"}
    made = http.post("/api/v1/service-info/plans", json=plan, headers=key)
    assert made.status_code == 201, made.text
    guid = console.fleet.registered
    for path, bodies in (
        ("service-info/rules", ({"plan": "p"}, {"plan": None})),
        (f"devices/{guid}/service-info", ({"plan": "p"}, {"plan": None})),
        (f"vouchers/{guid}/credential", ({"mode": "reuse"}, {"mode": None})),
    ):
        for body in bodies:
            before = http.get(f"/api/v1/{path}", headers=key)
            seen = {**key, "If-Match": before.headers["etag"]}
            done = http.put(f"/api/v1/{path}", json=body, headers=seen)
            assert done.status_code == 200, done.text
            assert refused(http.put(f"/api/v1/{path}", json=body, headers=seen))
            after = http.get(f"/api/v1/{path}", headers=key)
            assert after.headers["etag"] == done.headers["etag"] != seen["If-Match"]
            assert after.json() == done.json()


def test_a_cohort_that_enforces_says_so_whatever_was_seen(console: Console) -> None:
    key, http = {"X-API-Key": console.keys[Role.ADMIN]}, console.service.http
    path = "/api/v1/cohorts/basel"
    seen = {**key, "If-Match": http.get(path, headers=key).headers["etag"]}
    body = {"labels": {"site": "Basel"}, "policy": "boot"}
    assert http.put(path, json=body, headers=seen).json()["code"] == "conflict"
