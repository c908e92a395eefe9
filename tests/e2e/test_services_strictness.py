"""What a route does not know is refused by name; HEAD is GET without a body."""

import httpx
import pytest

from onboarding.store.apikeys import Role
from tests.support.api_bench import Api, filled, is_problem

pytest_plugins = ["tests.support.service_fixtures"]


# It is kept byte for byte, whatever it is called.
BYTES = {"/api/v1/runtime-policies"}


def asked(api: Api, method: str, path: str, **more: str) -> httpx.Response:
    headers = {"X-API-Key": api.keys[Role.ADMIN], **more}
    return api.service.http.request(method, path, headers=headers, content=b"a=b")


def operations(api: Api) -> dict[str, dict[str, dict[str, object]]]:
    document = api.service.http.get("/api/v1/openapi.json").json()
    found: dict[str, dict[str, dict[str, object]]] = document["paths"]
    return {path: one for path, one in found.items() if path.startswith("/api/v1/")}


def test_a_query_that_no_route_takes_is_named_by_every_route(api: Api) -> None:
    for path, known in operations(api).items():
        for method in known:
            word, where = filled(f"{method.upper()} {path}")
            refused = asked(api, word, f"{where}?sate=failed")
            assert (refused.status_code, is_problem(refused)) == (422, True), where
            (complaint,) = refused.json()["errors"]
            assert complaint["at"] == ["query", "sate"], where


def test_a_body_that_is_said_to_be_no_json_is_refused_where_json_is_read(
    api: Api,
) -> None:
    tried = 0
    for path, known in operations(api).items():
        for method, operation in known.items():
            body = operation.get("requestBody")
            if not isinstance(body, dict) or path in BYTES:
                continue
            if set(body["content"]) != {"application/json"}:
                continue
            word, where = filled(f"{method.upper()} {path}")
            for kind in ("application/x-www-form-urlencoded", "text/plain; a=json"):
                refused = asked(api, word, where, **{"Content-Type": kind})
                assert refused.status_code == 415, where
                assert "application/json" in refused.json()["remedy"]
            tried += 1
    assert tried > 30


@pytest.mark.parametrize("path", ["/healthz", "/api/v1/devices", "/login", "/nothing"])
def test_head_is_answered_as_get_is_without_a_body(api: Api, path: str) -> None:
    whole, head = asked(api, "GET", path), asked(api, "HEAD", path)
    assert (head.status_code, head.content) == (whole.status_code, b"")
    for name in ("content-type", "content-length"):
        assert head.headers[name] == whole.headers[name]


def test_head_waits_for_no_stream(api: Api) -> None:
    refused = asked(api, "HEAD", "/api/v1/events/stream")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET")


def test_a_path_and_a_method_that_are_none_are_told_in_sentences(api: Api) -> None:
    for method, path, status in (
        ("GET", "/api/v1/nothing", 404),
        ("PATCH", "/api/v1/devices", 405),
    ):
        refused = asked(api, method, path)
        assert (refused.status_code, is_problem(refused)) == (status, True)
        assert refused.json()["detail"].endswith(".")
