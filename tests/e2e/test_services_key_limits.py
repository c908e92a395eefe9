"""Keys for the devices of one site, or of one line: each route keeps to them."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from onboarding.services.settings import Compat
from onboarding.services.settings import Role as Service
from onboarding.store.api_tables import ApiKeyRow
from onboarding.store.apikeys import Role
from onboarding.store.database import Database
from tests.e2e.test_services_api import ROLES
from tests.support.api_bench import ENDLESS, is_problem
from tests.support.databases import NewDatabase
from tests.support.limited import LINES, OURS, Limited, kind_of, limited
from tests.support.services import Site

# What every device may know, or what is the same for all of them.
OPEN = {
    "labels": {
        "GET /device-ca",
        "GET /keys",
        "GET /manifests",
        "GET /policies",
        "GET /policies/{name}",
        "GET /policies/{name}/diff",
        "GET /runtime-policies/{digest}",
        "GET /rvinfo",
        "GET /to2-address",
        "GET /trust",
    },
    "lines": {
        "GET /device-ca",
        "GET /keys",
        "GET /rvinfo",
        "GET /to2-address",
        "GET /trust",
    },
}
WALK = [
    (who, route)
    for who in ("operator", "security", "manufacturer")
    for route, roles in ROLES.items()
    if who in roles
]
LOOKS = [(who, route) for who, route in WALK if route.startswith("GET ")]


@pytest.fixture(scope="module")
def shop(
    tmp_path_factory: pytest.TempPathFactory, databases: NewDatabase
) -> Iterator[Limited]:
    yield from limited(Site(tmp_path_factory.mktemp("limited"), databases=databases))


@pytest.fixture(scope="module")
def reaches(shop: Limited) -> dict[tuple[str, str], str | None]:
    """By limit and route: how the route says it keeps to such limits."""
    document = shop.api.service.http.get("/api/v1/openapi.json").json()
    return {
        (kind, f"{method.upper()} {path.removeprefix('/api/v1')}"): one.get(f"x-{kind}")
        for path, methods in document["paths"].items()
        for method, one in methods.items()
        for kind in ("labels", "lines")
    }


def code_of(reply: httpx.Response) -> str:
    return str(reply.json().get("code", "")) if is_problem(reply) else ""


def marks(*guids: object) -> set[str]:
    return {form for one in guids for form in (str(one), str(one).replace("-", ""))}


@pytest.mark.parametrize(("who", "route"), WALK)
def test_a_device_out_of_sight_is_told_from_none_by_nobody(
    shop: Limited, reaches: dict[tuple[str, str], str | None], who: str, route: str
) -> None:
    """Every route: closed; or there is no such device; or it shows none of it."""
    kind = kind_of(who)
    reach, far = reaches[kind, route], shop.far[kind]
    reply = shop.ask(who, route, far)
    if reach is None:
        assert (reply.status_code, code_of(reply)) == (403, "scope-refused"), route
    elif reach == "named":
        assert (reply.status_code, code_of(reply)) == (404, "not-found"), reply.text
        if "{guid}" in route:
            unknown = shop.ask(who, route)
            assert (unknown.status_code, code_of(unknown)) == (404, "not-found")
    elif reach == "open":
        assert route in OPEN[kind]
    else:
        assert reach == "own"
    if route not in ENDLESS:
        said = reply.text if reach != "named" else ""
        assert not any(one in said for one in marks(far)), route
        assert "FAR-" not in said


def test_no_change_reaches_a_device_out_of_sight(shop: Limited) -> None:
    """It runs after the walk: every route was called with their GUIDs."""
    for guid, path in (
        (shop.far["labels"], "devices"),
        (shop.far["lines"], "vouchers"),
    ):
        assert shop.api.call("GET", f"/{path}/{guid}").status_code == 200
    shown = shop.api.call("GET", f"/devices/{shop.far['labels']}").json()
    assert (shown["labels"]["site"], shown["frozen"]) == ("munich", False)
    assert shown["retired_at"] is None
    assert shown["assignment"]["manifest"] == "edge"
    line = shop.api.call("GET", f"/lines/{LINES[1]}").json()
    assert (line["version"], line["stations"]) == (1, [])


@pytest.mark.parametrize(("who", "route"), LOOKS)
def test_a_device_in_sight_is_seen(
    shop: Limited, reaches: dict[tuple[str, str], str | None], who: str, route: str
) -> None:
    kind = kind_of(who)
    if reaches[kind, route] is None or route in ENDLESS:
        return
    reply = shop.ask(who, route, shop.near[kind])
    assert reply.status_code not in (401, 403, 405), reply.text
    if reaches[kind, route] == "own" and route not in ("GET /updates", "GET /lines"):
        assert any(one in reply.text for one in marks(shop.near[kind])), reply.text


def test_routes_that_are_open_are_named_here(
    reaches: dict[tuple[str, str], str | None],
) -> None:
    for kind, routes in OPEN.items():
        said = {
            one for (of, one), reach in reaches.items() if (of, reach) == (kind, "open")
        }
        assert said == routes


def test_events_of_others_do_not_come_down_the_stream(shop: Limited) -> None:
    headers = {"X-API-Key": shop.keys["security"]}
    every = shop.api.call("GET", "/events?limit=200").json()["items"]
    near, far = str(shop.near["labels"]), str(shop.far["labels"])
    wanted = [one["seq"] for one in every if one["guid"] == near][::-1]
    assert any(one["guid"] == far for one in every)
    got: list[dict[str, Any]] = []
    stream = shop.api.service.http.stream(
        "GET", "/api/v1/events/stream?after=0", headers=headers
    )
    with stream as reply:
        lines = reply.iter_lines()
        while len(got) < len(wanted):
            line = next(lines)
            if line.startswith("data: "):
                got.append(json.loads(line.removeprefix("data: ")))
    assert [one["seq"] for one in got] == wanted
    assert {one["guid"] for one in got} == {near}


def test_an_event_list_pages_through_its_own_alone(shop: Limited) -> None:
    key, path, seen = shop.keys["security"], "/events?limit=2", []
    cursor = ""
    while True:
        page = shop.api.service.call(key, "GET", path + cursor).json()
        seen += [one["guid"] for one in page["items"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert len(seen) > 2
    assert set(seen) == {str(shop.near["labels"])}


def test_a_key_takes_no_device_out_of_its_own_sight_and_none_in(
    shop: Limited,
) -> None:
    key, guid = shop.keys["operator"], shop.near["labels"]

    def put(labels: dict[str, str], whose: object = guid) -> httpx.Response:
        path, body = f"/devices/{whose}/labels", {"labels": labels}
        return shop.api.service.call(key, "PUT", path, json=body)

    for lost in ({}, {"site": "munich"}, {"rack": OURS}):
        assert (put(lost).status_code, code_of(put(lost))) == (403, "scope-refused")
    kept = put({"site": OURS, "rack": "8"})
    assert kept.status_code == 200, kept.text
    assert put({"site": OURS}, shop.far["labels"]).status_code == 404


def test_a_station_hands_over_what_its_line_made(shop: Limited) -> None:
    key = shop.keys["manufacturer"]
    keys = shop.api.call("GET", "/keys").json()["items"]
    (pem,) = [one["public_pem"] for one in keys if one["kind"] == "owner"]

    def extend(**chosen: object) -> httpx.Response:
        body = {"next_owner_pem": pem, **chosen}
        return shop.api.service.call(key, "POST", "/vouchers/extend", json=body)

    assert extend(all=True).json()["code"] == "scope-refused"
    assert extend(line=LINES[1]).status_code == 404
    (lacking,) = extend(guids=[]).json()["errors"]
    assert lacking["at"][:3] == ["body", "guids", "guids"]
    some = extend(guids=[str(shop.far["lines"]), str(shop.near["lines"])]).json()
    results = {one["guid"]: one["code"] for one in some["results"]}
    assert results[str(shop.far["lines"])] == "not-found"
    assert results[str(shop.near["lines"])] != "not-found"
    passport = {"guid": str(shop.far["lines"]), "serial": "FAR-2", "profile": "x"}
    body = {**passport, "ek_public": ""}
    reply = shop.api.service.call(key, "POST", "/passports", json=body)
    assert (reply.status_code, code_of(reply)) == (404, "not-found")


REFUSED: dict[str, dict[str, object]] = {
    "labels of a manufacturer": {"role": "manufacturer", "labels": {"site": "x"}},
    "lines of an operator": {"role": "operator", "lines": ["line-7"]},
    "an admin": {"role": "admin", "labels": {"site": "x"}},
    "both": {"role": "operator", "labels": {"a": "b"}, "lines": ["line-7"]},
    "no line": {"role": "manufacturer", "lines": ["Line 7"]},
    "no label": {"role": "operator", "labels": {"": "x"}},
}


@pytest.mark.parametrize("how", REFUSED)
def test_a_limit_that_would_limit_nothing_is_refused(shop: Limited, how: str) -> None:
    reply = shop.api.call("POST", "/apikeys", json={"name": "n", **REFUSED[how]})
    assert reply.status_code == 422


def test_a_limited_key_opens_no_console(shop: Limited) -> None:
    http = shop.api.service.http
    page = http.get("/login").text
    word = page.partition('name="csrf" value="')[2].partition('"')[0]
    form = {"csrf": word, "key": shop.keys["operator"]}
    assert http.post("/login", data=form).status_code == 401
    http.cookies.clear()


def test_the_other_server_s_paths_are_closed_to_limited_keys(
    shop: Limited, tmp_path: Any, databases: NewDatabase
) -> None:
    site = Site(tmp_path, databases=databases)
    settings = site.settings(
        Service.OWNER, background=False, compat=Compat.GO_FDO_SERVER, compat_port=0
    )
    admin = site.api_key(settings, Role.ADMIN)
    with site.serve(settings) as service:
        body = {"name": "n", "role": "operator", "labels": {"site": OURS}}
        key = service.call(admin, "POST", "/apikeys", json=body).json()["key"]
        for path in ("/api/v1/owner/devices", "/api/v1/owner/redirect"):
            for one, refused in ((key, True), (admin, False)):
                url = f"{service.compat_url}{path}"
                reply = service.http.get(url, headers={"X-API-Key": one})
                assert (reply.status_code == 403) is refused, reply.text


def test_a_key_whose_limits_are_not_understood_is_good_for_nothing(
    tmp_path: Any, databases: NewDatabase
) -> None:
    site = Site(tmp_path, databases=databases)
    settings = site.settings(Service.OWNER, background=False)
    admin = site.api_key(settings, Role.ADMIN)
    with site.serve(settings) as service:
        body = {"name": "n", "role": "operator", "labels": {"site": OURS}}
        made = service.call(admin, "POST", "/apikeys", json=body).json()
        assert service.call(made["key"], "GET", "/devices").status_code == 200
        database = Database(settings.database_url)
        for text in ("{}", "no JSON", '{"labels": {}, "lines": [], "fleets": ["x"]}'):
            with database.transaction() as writing:
                row = writing.session.get(ApiKeyRow, made["id"])
                assert row is not None
                row.limits = text
            assert service.call(made["key"], "GET", "/devices").status_code == 401
        database.close()
