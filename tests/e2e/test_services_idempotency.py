"""A request that comes twice is done once, and answered twice."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from onboarding.services.settings import Role as Service
from onboarding.store.apikeys import Role
from onboarding.store.database import Database
from onboarding.store.direct import Sql
from tests.support.api_bench import Api, is_problem, started
from tests.support.databases import NewDatabase
from tests.support.services import Site

BODY = {"name": "made once", "role": "operator"}
REPLAYED = "idempotency-replayed"


@pytest.fixture(scope="module")
def once(
    tmp_path_factory: pytest.TempPathFactory, databases: NewDatabase
) -> Iterator[Api]:
    yield from started(Site(tmp_path_factory.mktemp("once"), databases=databases))


def post(
    api: Api,
    name: str,
    body: Any = BODY,
    path: str = "/apikeys",
    role: Role = Role.ADMIN,
) -> httpx.Response:
    headers = {"X-API-Key": api.keys[role], "Idempotency-Key": name}
    return api.service.http.post(f"/api/v1{path}", json=body, headers=headers)


def refused(reply: httpx.Response, status: int, code: str) -> bool:
    assert is_problem(reply), reply.text
    return (reply.status_code, reply.json()["code"]) == (status, code)


def made(api: Api) -> list[str]:
    return [one["id"] for one in api.call("GET", "/apikeys").json()["items"]]


def test_the_second_gets_the_first_ones_answer_and_makes_nothing(once: Api) -> None:
    first = post(once, "one")
    count = len(made(once))
    second = post(once, '"one"')
    assert first.status_code == second.status_code == 201
    assert first.json() == second.json()
    assert first.headers["content-type"] == second.headers["content-type"]
    assert (first.headers.get(REPLAYED), second.headers[REPLAYED]) == (None, "true")
    assert len(made(once)) == count


def test_another_name_or_none_is_another_request(once: Api) -> None:
    ids = {post(once, name).json()["id"] for name in ("a", "b")}
    ids |= {once.call("POST", "/apikeys", json=BODY).json()["id"] for _ in range(2)}
    assert len(ids) == 4


def test_another_request_under_the_same_name_is_refused(once: Api) -> None:
    post(once, "taken")
    other = {**BODY, "name": "something else"}
    assert refused(post(once, "taken", other), 422, "idempotency-key-reused")
    elsewhere = post(once, "taken", path="/apikeys?x=1")
    assert refused(elsewhere, 422, "idempotency-key-reused")


def test_a_name_is_its_key_holders_own(once: Api) -> None:
    body = {"kind": "release", "name": "mine"}
    first = post(once, "shared", body, "/policies", Role.SECURITY)
    second = post(once, "shared", body, "/policies", Role.ADMIN)
    assert (first.status_code, second.status_code) == (201, 201)
    assert REPLAYED not in second.headers
    assert [first.json()["version"], second.json()["version"]] == [1, 2]


def test_what_was_refused_may_be_tried_again_under_its_name(once: Api) -> None:
    assert post(once, "retried", {"name": "x"}).status_code == 422
    assert post(once, "retried", role=Role.OPERATOR).status_code == 403
    assert post(once, "retried").status_code == 201


def test_of_many_at_once_one_is_done(once: Api) -> None:
    count = len(made(once))
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda _: post(once, "many"), range(8)))
    assert len(made(once)) == count + 1
    done = [one for one in replies if one.status_code == 201]
    assert len({one.json()["id"] for one in done}) == 1
    for one in replies:
        if one not in done:
            assert refused(one, 409, "idempotency-in-progress")
            assert one.headers["retry-after"] == "1"


@pytest.mark.parametrize("name", ["", '"', "a b", "x" * 129, "é"])
def test_a_name_that_is_none_is_refused(once: Api, name: str) -> None:
    key = {b"X-API-Key": once.keys[Role.ADMIN].encode()}
    headers = {**key, b"Idempotency-Key": name.encode("latin-1")}
    reply = once.service.http.post(
        "/api/v1/apikeys", json=BODY, headers=list(headers.items())
    )
    assert refused(reply, 422, "invalid-idempotency-key")


def test_no_kept_answer_can_be_read_without_the_callers_key(once: Api) -> None:
    token = post(once, "secret").json()["key"]
    database = Database(once.site.settings(Service.ALL).database_url)
    rows = database.direct.rows(Sql("SELECT answer FROM idempotency"))
    assert any(len(answer) > 100 for (answer,) in rows if answer)
    assert token.encode() not in b"".join(answer for (answer,) in rows if answer)
    database.direct.count(Sql("UPDATE idempotency SET answer = substr(answer, 1, 99)"))
    database.close()
    assert refused(post(once, "secret"), 503, "store-unavailable")


def test_a_body_over_the_limit_is_refused_all_the_same(once: Api) -> None:
    reply = post(once, "large", {"name": "x" * 1_100_000})
    assert refused(reply, 413, "body-too-large")
