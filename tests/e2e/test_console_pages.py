"""Every page of the console: for which roles, and under which rules."""

from collections.abc import Iterator

import pytest
from fastapi.routing import APIRoute

from onboarding.services.console.pages import CSP
from onboarding.services.console.routes import console_routers
from onboarding.store.apikeys import Role
from tests.support.console_bench import Console
from tests.support.visitor import tags_of

pytest_plugins = ["tests.support.console_fixtures"]

READERS = {Role.OPERATOR, Role.SECURITY, Role.ADMIN}
SECURITY = {Role.SECURITY, Role.ADMIN}
OPERATORS = {Role.OPERATOR, Role.ADMIN}
EVERYBODY = set(Role)
WITHOUT_SESSION = {
    "GET /assets/{digest}/{name}",
    "GET /login",
    "POST /login",
}
PAGES: dict[str, set[Role]] = {
    "GET /": READERS,  # a manufacturer is led to the vouchers
    "POST /logout": EVERYBODY,
    "GET /audit": SECURITY,
    "POST /audit/checkpoints": SECURITY,
    "GET /audit/checkpoints/latest": SECURITY,
    "GET /devices/{guid}": READERS,
    "GET /devices/{guid}/evidence-pack": SECURITY,
    "POST /devices/{guid}/freeze": READERS,
    "POST /devices/{guid}/withdraw": READERS,
    "POST /devices/{guid}/policy": READERS,
    "POST /devices/{guid}/retire": OPERATORS,
    "POST /devices/{guid}/register": OPERATORS,
    "POST /devices/{guid}/manifest": OPERATORS,
    "GET /policies": READERS,
    "GET /policies/{name}": READERS,
    "GET /security": READERS,
    "GET /vouchers": EVERYBODY,
    "GET /vouchers/{guid}": EVERYBODY,
    "GET /vouchers/{guid}/pem": EVERYBODY,
    "POST /vouchers/import": OPERATORS,
    "POST /vouchers/paste": OPERATORS,
}


def routes() -> Iterator[str]:
    for router in console_routers():
        for route in router.routes:
            if isinstance(route, APIRoute):
                yield from (f"{method} {route.path}" for method in route.methods or ())


def test_every_page_is_in_this_list() -> None:
    assert set(routes()) == PAGES.keys() | WITHOUT_SESSION


def filled(console: Console, path: str) -> str:
    # A device that nobody looks at: what a form does to it is no other test's.
    path = path.replace("{guid}", "00000000-0000-0000-0000-000000000000")
    return path.replace("{name}", "boot")


@pytest.mark.parametrize("route", list(PAGES))
def test_a_page_lets_in_its_roles_and_no_other(console: Console, route: str) -> None:
    method, path = route.split(" ")
    for role in Role:
        visitor = console.visitor(role)
        word = visitor.word("/vouchers")
        headers = {"X-CSRF-Token": word} if path.endswith("/import") else {}
        data = None if method == "GET" or headers else {"csrf": word}
        reply = visitor.http.request(
            method, filled(console, path), data=data, headers=headers
        )
        assert reply.status_code < 500, reply.text
        if role in PAGES[route]:
            assert reply.status_code not in (401, 403, 405), reply.text
        elif path == "/":
            assert reply.headers["location"] == "/vouchers"
        else:
            assert reply.status_code == 403
            assert "may not do this" in reply.text


@pytest.mark.parametrize("route", list(PAGES))
def test_no_page_shows_anything_without_a_session(console: Console, route: str) -> None:
    method, path = route.split(" ")
    for cookie in ({}, {"Cookie": "vouchgate-session=x"}):
        reply = console.visitor().http.request(
            method, filled(console, path), headers=cookie
        )
        assert reply.status_code in (303, 401)
        assert "SBC-" not in reply.text


@pytest.mark.parametrize(
    "path",
    ["/login", "/", "/vouchers", "/policies", "/policies/boot", "/security", "/audit"],
)
def test_a_page_keeps_to_its_policy(console: Console, path: str) -> None:
    visitor = console.visitor(None if path == "/login" else Role.ADMIN)
    reply = visitor.get(path)
    assert reply.headers["content-security-policy"] == CSP
    assert "unsafe" not in CSP
    assert reply.headers["cache-control"] == "no-store"
    assert reply.headers["x-content-type-options"] == "nosniff"
    tags = tags_of(reply.text)
    names = [tag for tag, _ in tags]
    assert "style" not in names
    assert names.count("h1") == names.count("main") == 1
    for tag, attributes in tags:
        assert not any(name.startswith(("on", "hx-on")) for name in attributes)
        assert "style" not in attributes
        if tag == "script":
            assert (attributes["src"] or "").startswith("/assets/")
        if tag == "img":
            assert "alt" in attributes


@pytest.mark.parametrize("path", ["/", "/vouchers", "/security", "/audit"])
def test_everything_that_can_be_filled_in_has_a_label(
    console: Console, path: str
) -> None:
    tags = tags_of(console.visitor(Role.ADMIN).get(path).text)
    labelled = {attrs.get("for") for tag, attrs in tags if tag == "label"}
    ids = [attrs["id"] for _, attrs in tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    for tag, attrs in tags:
        if tag in ("input", "select", "textarea") and attrs.get("type") != "hidden":
            assert attrs.get("id") in labelled


def test_an_asset_is_served_for_good_and_only_under_its_digest(
    console: Console,
) -> None:
    visitor = console.visitor()
    tags = tags_of(visitor.get("/login").text)
    urls = [attrs["src"] for tag, attrs in tags if tag == "script"]
    assert len(urls) == 2
    for url in urls:
        assert url is not None
        reply = visitor.get(url)
        assert reply.headers["content-type"] == "text/javascript; charset=utf-8"
        assert "immutable" in reply.headers["cache-control"]
        assert visitor.get(url.replace(url.split("/")[2], "0" * 16)).status_code == 404
    for path in ("/assets/x/../../pages.py", "/assets/x/%2e%2e%2fpages.py"):
        assert visitor.get(path).status_code == 404


def test_a_policy_shows_what_changed_since_the_version_before(
    console: Console,
) -> None:
    visitor = console.visitor(Role.SECURITY)
    page = visitor.get("/policies/boot").text
    assert "version 1 to 2" in page
    assert f"<ins><code>{'cd' * 32}</code></ins>" in page
    assert "<del><code>600</code></del>" in page
    assert "compared with itself" in visitor.get("/policies/boot?version=1").text
    assert visitor.get("/policies/boot?against=9").status_code == 404


def test_the_security_page_begins_with_what_was_never_attested(
    console: Console,
) -> None:
    page = console.visitor(Role.SECURITY).get("/security").text
    places = [
        page.index(str(getattr(console.fleet, name)))
        for name in ("unbound", "stale", "failed")
    ]
    assert places == sorted(places)
    assert f"/devices/{console.fleet.story}" not in page


def test_the_audit_log_is_filtered_and_signed(console: Console) -> None:
    visitor = console.visitor(Role.SECURITY)
    page = visitor.get("/audit", params={"cause": "release.withdrawn"}).text
    assert "release.withdrawn" in page
    assert "voucher.stored" not in page
    of_device = visitor.get("/audit", params={"guid": str(console.fleet.stale)}).text
    assert str(console.fleet.story) not in of_device
    reply = visitor.form("/audit/checkpoints", "/audit")
    assert reply.headers["location"] == "/audit"
    file = visitor.get("/audit/checkpoints/latest")
    assert file.headers["content-type"] == "application/cose"
    assert "attachment" in file.headers["content-disposition"]


def test_an_evidence_pack_is_a_file(console: Console) -> None:
    path = f"/devices/{console.fleet.story}/evidence-pack"
    reply = console.visitor(Role.SECURITY).get(path)
    assert reply.headers["content-type"] == "application/cose"
    assert str(console.fleet.story) in reply.headers["content-disposition"]


def test_refusals_of_people_are_counted_like_those_of_programs(
    console: Console,
) -> None:
    console.visitor(Role.OPERATOR).get("/audit")
    metrics = console.service.http.get("/metrics").text
    assert 'refusals_total{code="role-refused",surface="http"}' in metrics


@pytest.mark.parametrize("path", ["/nothing", "/devices", "/logout", "/assets/x"])
def test_an_address_that_is_none_is_refused_in_words(
    console: Console, path: str
) -> None:
    accepts = {"Accept": "text/html,application/xhtml+xml"}
    reply = console.visitor().get(path, headers=accepts)
    assert reply.status_code in (404, 405)
    assert reply.headers["content-type"].startswith("text/html")
    assert reply.headers["content-security-policy"] == CSP
    assert "<h1>" in reply.text


@pytest.mark.parametrize("path", ["/api/v1/devices", "/device/v1/nothing", "/metricsx"])
def test_programs_are_refused_in_json_whatever_they_accept(
    console: Console, path: str
) -> None:
    reply = console.visitor().get(path, headers={"Accept": "text/html"})
    assert reply.headers["content-type"] == "application/problem+json"
    assert console.visitor().get("/nothing").json()["code"] == "not-found"


def test_cohorts_stand_below_the_policies_that_they_are_held_to(
    console: Console,
) -> None:
    text = console.visitor(Role.SECURITY).get("/policies").text
    basel, canary = text.index(">basel</th>"), text.index(">canary</th>")
    assert "enforced</span>" in text[basel:canary]
    assert "observed</span>" in text[canary:]
    assert "/?q=ring%3Dcanary" in text[canary:]
