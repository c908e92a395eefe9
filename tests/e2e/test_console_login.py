"""Coming into the console and going out: cookies, forgeries, keys that die."""

import re
from pathlib import Path

import httpx
import pytest

from onboarding.services.console.attempts import MAX_FAILURES
from onboarding.services.console.sessions import LONGEST_SECONDS, NotLoggedIn, Sessions
from onboarding.services.context import open_context
from onboarding.services.settings import Role as Service
from onboarding.store.apikeys import ApiKeyStore, Role
from onboarding.store.database import Database
from tests.support.console_bench import Console
from tests.support.databases import NewDatabase
from tests.support.owner_bench import NOW, Clock
from tests.support.services import Site
from tests.support.visitor import Visitor, hidden

pytest_plugins = ["tests.support.console_fixtures"]


def test_a_key_opens_a_session_whose_cookie_no_script_and_no_other_site_has(
    console: Console,
) -> None:
    visitor = console.visitor()
    reply = visitor.login(console.keys[Role.OPERATOR])
    assert (reply.status_code, reply.headers["location"]) == (303, "/")
    (cookie,) = (
        one
        for one in reply.headers.get_list("set-cookie")
        if one.startswith("vouchgate-session=")
    )
    attributes = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert {"httponly", "samesite=strict", "path=/"} <= attributes
    assert not any(
        one.startswith(("domain", "max-age", "expires")) for one in attributes
    )
    assert console.keys[Role.OPERATOR] not in str(reply.headers)
    assert "SBC-0001" in visitor.get("/").text


def test_over_tls_the_cookie_is_bound_to_this_host_alone(
    tmp_path: Path, databases: NewDatabase
) -> None:
    site = Site(tmp_path, databases=databases)
    settings = site.settings(Service.OWNER, background=False, console_tls_proxy=True)
    key = site.api_key(settings, Role.OPERATOR)
    with site.serve(settings) as service:
        page = service.http.get("/login")
        (held,) = page.headers.get_list("set-cookie")
        assert held.startswith("__Host-vouchgate-login=")
        assert "; Secure" in held
        # httpx keeps a Secure cookie from plain HTTP, as a browser does.
        fields = {"csrf": hidden(page.text, "csrf"), "key": key}
        cookie = {"Cookie": held.partition(";")[0]}
        reply = service.http.post("/login", data=fields, headers=cookie)
        assert reply.status_code == 303
        (session,) = (
            one
            for one in reply.headers.get_list("set-cookie")
            if one.startswith("__Host-vouchgate-session=")
        )
        assert "; Secure" in session


@pytest.mark.parametrize("key", ["", "vg_00_nonsense", "x" * 128, "\u202e\x00ü"])
def test_a_wrong_key_opens_nothing_and_is_not_repeated(
    console: Console, key: str
) -> None:
    visitor = console.visitor()
    reply = visitor.login(key)
    assert reply.status_code == 401
    assert "not valid" in reply.text
    assert not key or key not in reply.text
    assert visitor.get("/").status_code == 303


def test_a_visitor_is_sent_to_the_login_and_back_to_where_he_wanted(
    console: Console,
) -> None:
    visitor = console.visitor()
    wanted = "/?state=stale&q=site%3DZ%C3%BCrich"
    reply = visitor.get(wanted)
    assert reply.status_code == 303
    login = httpx.URL(reply.headers["location"])
    assert (login.path, login.params["to"]) == ("/login", wanted)
    after = visitor.login(console.keys[Role.OPERATOR], wanted)
    assert after.headers["location"] == wanted


@pytest.mark.parametrize(
    "to",
    [
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "javascript:alert(1)",
        "/login?to=/login",
        "/x\r\nSet-Cookie: a=b",
        "",
    ],
)
def test_nobody_is_sent_elsewhere_after_the_login(console: Console, to: str) -> None:
    reply = console.visitor().login(console.keys[Role.OPERATOR], to)
    assert reply.headers["location"] == "/"


def test_the_login_form_of_another_visitor_is_refused(console: Console) -> None:
    word = hidden(console.visitor().get("/login").text, "csrf")
    visitor = console.visitor()
    visitor.get("/login")
    fields = {"csrf": word, "key": console.keys[Role.OPERATOR]}
    reply = visitor.http.post("/login", data=fields)
    assert reply.status_code == 403
    assert "vouchgate-session" not in visitor.http.cookies


def test_logging_out_ends_the_session_wherever_its_cookie_was_copied(
    console: Console,
) -> None:
    visitor, copy = console.visitor(Role.OPERATOR), console.visitor()
    copy.http.cookies.update(visitor.http.cookies)
    assert copy.get("/").status_code == 200
    reply = visitor.form("/logout")
    assert reply.headers["location"] == "/login"
    assert copy.get("/").status_code == 303
    assert visitor.get("/").status_code == 303


def test_nobody_is_logged_out_by_another_page(console: Console) -> None:
    visitor = console.visitor(Role.OPERATOR)
    assert visitor.http.post("/logout", data={"csrf": "x"}).status_code == 403
    assert visitor.http.post("/logout").status_code == 415
    assert visitor.get("/").status_code == 200


def test_a_session_ends_with_its_key(console: Console) -> None:
    database = Database(console.settings.database_url)
    keys = ApiKeyStore(database)
    made, token = keys.create("short-lived", Role.OPERATOR, "test", 0)
    visitor = console.visitor()
    assert visitor.login(token).status_code == 303
    assert visitor.get("/").status_code == 200
    keys.revoke(made.id, "test", 1)
    database.close()
    assert visitor.get("/").status_code == 303


def test_a_login_is_in_the_audit_log_without_its_secrets(console: Console) -> None:
    visitor = console.visitor(Role.SECURITY)
    reply = console.service.call(
        console.keys[Role.SECURITY], "GET", "/events?cause=console.login&limit=1"
    )
    (event,) = reply.json()["items"]
    assert re.fullmatch("apikey:[0-9a-f]{16}", event["actor"])
    assert visitor.http.cookies["vouchgate-session"] not in reply.text
    assert console.keys[Role.SECURITY] not in reply.text


def test_a_page_that_updates_itself_reloads_when_the_session_is_over(
    console: Console,
) -> None:
    reply = console.visitor().get("/", headers={"HX-Request": "true"})
    assert (reply.status_code, reply.headers["hx-refresh"]) == (204, "true")


def test_a_link_from_elsewhere_asks_once_more_before_it_asks_for_a_key(
    console: Console,
) -> None:
    reply = console.visitor().get("/", headers={"Sec-Fetch-Site": "cross-site"})
    assert reply.status_code == 200
    assert '<meta http-equiv="refresh" content="0; url=/">' in reply.text


def test_too_many_wrong_keys_have_to_wait(
    tmp_path: Path, databases: NewDatabase
) -> None:
    site = Site(tmp_path, databases=databases)
    settings = site.settings(Service.OWNER, background=False)
    key = site.api_key(settings, Role.OPERATOR)
    with site.serve(settings) as service:
        visitor = Visitor(service.url)
        for _ in range(MAX_FAILURES):
            assert visitor.login("vg_00_wrong").status_code == 401
        reply = visitor.login(key)
        assert reply.status_code == 429
        assert "Wait" in reply.text


def test_without_the_console_there_is_none(
    tmp_path: Path, databases: NewDatabase
) -> None:
    site = Site(tmp_path, databases=databases)
    settings = site.settings(Service.OWNER, background=False, console=False)
    with site.serve(settings) as service:
        for path in ("/", "/login"):
            assert service.http.get(path).status_code == 404


def test_a_session_ends_unused_and_after_half_a_day_at_the_latest(
    tmp_path: Path, databases: NewDatabase
) -> None:
    clock = Clock()
    site = Site(tmp_path, databases=databases)
    context = open_context(site.settings(Service.OWNER), clock)
    _, token = context.stores.api_keys.create("ops", Role.OPERATOR, "test", NOW)
    sessions, idle = Sessions(context), context.settings.console_idle_seconds
    watched, used = sessions.begin(token), sessions.begin(token)
    for _ in range(LONGEST_SECONDS // idle):
        clock.now += idle - 1
        sessions.of(used, active=True)
        if clock.now < NOW + idle:
            sessions.of(watched, active=False)  # a page that updates itself
        else:
            with pytest.raises(NotLoggedIn):
                sessions.of(watched, active=False)
    clock.now = NOW + LONGEST_SECONDS
    with pytest.raises(NotLoggedIn):
        sessions.of(used, active=True)
    context.close()
