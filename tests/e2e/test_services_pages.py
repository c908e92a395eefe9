"""Pages of lists that grow and shrink while they are read: none missed, none twice."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from tests.support.api_bench import Api, started
from tests.support.databases import NewDatabase
from tests.support.services import Site
from tests.support.sold_vouchers import sold_to

KEY = {"name": "n", "role": "operator"}
PLAN = {"steps": [{"module": "fdo.command", "parameters": {"command": "true"}}]}


@pytest.fixture(scope="module")
def growing(
    tmp_path_factory: pytest.TempPathFactory, databases: NewDatabase
) -> Iterator[Api]:
    yield from started(Site(tmp_path_factory.mktemp("growing"), databases=databases))


def _voucher(api: Api) -> None:
    (one,) = sold_to(api.site, 1)
    assert api.call("POST", "/vouchers", content=one).status_code == 200


def _posts(path: str, body: Callable[[], dict[str, Any]]) -> Callable[[Api], None]:
    def post(api: Api) -> None:
        assert api.call("POST", path, json=body()).is_success

    return post


GROWS: dict[str, tuple[str, Callable[[Api], None]]] = {
    "/vouchers": ("guid", _voucher),
    "/devices": ("guid", _voucher),
    "/events": ("seq", _voucher),
    "/apikeys": ("id", _posts("/apikeys", lambda: KEY)),
    "/webhooks": ("id", _posts("/webhooks", lambda: {"url": "https://a.example/"})),
    "/service-info/plans": (
        "name",
        _posts("/service-info/plans", lambda: {"name": uuid4().hex, **PLAN}),
    ),
    "/ek-acceptances": (
        "ek_digest",
        _posts(
            "/ek-acceptances",
            lambda: {"ek_digest": uuid4().hex * 2, "reason": "r"},
        ),
    ),
}


def page(api: Api, path: str, cursor: str | None) -> dict[str, Any]:
    query = "" if cursor is None else f"&cursor={cursor}"
    reply = api.call("GET", f"{path}?limit=2{query}")
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


@pytest.mark.parametrize("path", GROWS)
def test_a_list_that_grows_between_its_pages_shows_each_once(
    growing: Api, path: str
) -> None:
    name, grow = GROWS[path]
    for _ in range(6):
        grow(growing)
    whole = growing.call("GET", f"{path}?limit=200").json()
    assert whole["next"] is None
    before = [one[name] for one in whole["items"]]
    assert len(set(before)) == len(before) >= 6
    told: list[Any] = []
    cursor = None
    for _ in range(2 * len(before)):
        part = page(growing, path, cursor)
        told += [one[name] for one in part["items"]]
        cursor = part["next"]
        if cursor is None:
            break
        grow(growing)
    assert len(told) == len(set(told))
    assert [one for one in told if one in before] == before


def test_a_cursor_goes_on_where_its_own_row_is_gone(growing: Api) -> None:
    for _ in range(6):
        _voucher(growing)
    whole = [
        one["guid"]
        for one in growing.call("GET", "/vouchers?limit=200").json()["items"]
    ]
    first = page(growing, "/vouchers", None)
    for one in first["items"]:
        assert growing.call("DELETE", f"/vouchers/{one['guid']}").status_code == 204
    told = page(growing, "/vouchers", first["next"])["items"]
    assert [one["guid"] for one in told] == whole[2:4]
