"""Every operation of the OpenAPI document says all that a client must know of it."""

from base64 import b64decode
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator

from onboarding.services.api.openapi import SCHEMES
from onboarding.services.api.samples import UNSAID
from onboarding.services.settings import Role
from tests.reference.api import openapi_of

REFUSAL = {"$ref": "#/components/schemas/Problem"}

Operation = tuple[str, dict[str, Any]]


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return openapi_of(Role.ALL, tmp_path_factory.mktemp("all"))


@pytest.fixture(scope="module")
def operations(document: dict[str, Any]) -> list[Operation]:
    found = [
        (f"{method.upper()} {path}", operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    assert len(found) > 100
    return found


def answers(operation: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Media types and what is said of them, of the answers that are no refusals."""
    for status, said in operation["responses"].items():
        if status.startswith("2"):
            yield from said.get("content", {}).items()


def resolved(part: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in part:
        name = part["$ref"].removeprefix("#/components/").split("/")
        part = document["components"][name[0]][name[1]]
    return part


def complaints(value: object, schema: dict[str, Any], document: dict[str, Any]) -> str:
    """What makes an example none of its schema; nothing if it is one."""
    whole = {**schema, "components": document["components"]}
    checked = Draft202012Validator(whole)
    return "; ".join(one.message for one in checked.iter_errors(value))


def require_fit(
    example: dict[str, Any],
    kind: str,
    schema: dict[str, Any],
    document: dict[str, Any],
) -> None:
    """Bytes stand in a URI that names their kind; all else is a value of its schema."""
    if schema.get("format") == "binary" and "value" not in example:
        head, _, data = example["externalValue"].partition(",")
        assert head == f"data:{kind};base64"
        assert b64decode(data, validate=True)
    else:
        wrong = complaints(example["value"], schema, document)
        assert not wrong, (example, wrong)


def test_the_document_is_of_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")


def test_every_answer_has_a_schema_that_says_something(
    operations: list[Operation], document: dict[str, Any]
) -> None:
    for route, operation in operations:
        statuses = {one for one in operation["responses"] if one.startswith("2")}
        assert statuses, route
        if statuses != {"204"}:
            assert list(answers(operation)), route
        for kind, said in answers(operation):
            schema = resolved(said["schema"], document)
            told = schema.get("properties") or schema.get("type") == "string"
            assert told, (route, kind)


def test_every_answer_has_an_example_that_is_one(
    operations: list[Operation], document: dict[str, Any]
) -> None:
    for route, operation in operations:
        for kind, said in answers(operation):
            (example,) = said["examples"].values()
            require_fit(example, kind, said["schema"], document)
            assert UNSAID not in repr(example), (route, example)


def test_every_example_of_a_request_is_one(
    operations: list[Operation], document: dict[str, Any]
) -> None:
    for _, operation in operations:
        content = operation.get("requestBody", {}).get("content", {})
        for kind, said in content.items():
            (example,) = said["examples"].values()
            require_fit(example, kind, said["schema"], document)


def test_every_refusal_is_a_problem_document(
    operations: list[Operation], document: dict[str, Any]
) -> None:
    for route, operation in operations:
        said = operation["responses"]
        if route.partition(" ")[2].startswith(("/api/", "/device/")):
            assert "default" in said, route
        refusals = [one for one in said if one == "default" or one.startswith("4")]
        for status in refusals:
            told = resolved(said[status], document)
            content = told["content"]
            assert content["application/problem+json"]["schema"] == REFUSAL, route


def test_whoever_may_be_told_to_wait_is_told_how_long(
    operations: list[Operation], document: dict[str, Any]
) -> None:
    for route, operation in operations:
        said = operation["responses"].get("429")
        if route in ("GET /healthz", "GET /readyz"):
            assert said is None
        else:
            assert said is not None, route
            assert "Retry-After" in resolved(said, document)["headers"], route


def test_every_way_to_show_who_calls_is_named(
    operations: list[Operation], document: dict[str, Any]
) -> None:
    assert document["components"]["securitySchemes"] == SCHEMES
    assert {one["type"] for one in SCHEMES.values()} == {"apiKey", "http", "mutualTLS"}
    for route, operation in operations:
        guarded = route.partition(" ")[2].startswith("/api/")
        ways = {name for one in operation.get("security", []) for name in one}
        assert ways == (SCHEMES.keys() if guarded else set()), route
        assert bool(operation.get("x-roles")) == guarded, route
        if guarded:
            told = operation["description"].rpartition("\n\n")[2]
            assert told == f"Roles: {', '.join(operation['x-roles'])}.", route
        assert ({"401", "403"} <= operation["responses"].keys()) == guarded, route


def headers_of(operation: dict[str, Any]) -> set[str]:
    known = operation.get("parameters", [])
    return {one["name"].lower() for one in known if one["in"] == "header"}


def test_every_post_of_the_api_names_its_idempotency_key(
    operations: list[Operation],
) -> None:
    for route, operation in operations:
        named = "idempotency-key" in headers_of(operation)
        assert named == route.startswith("POST /api/"), route


def test_what_can_be_told_its_state_says_its_tag(operations: list[Operation]) -> None:
    for route, operation in operations:
        conditional = "if-match" in headers_of(operation)
        assert conditional == ("412" in operation["responses"]), route
        if conditional and not route.startswith("DELETE "):
            good = [
                said
                for status, said in operation["responses"].items()
                if status in ("200", "201")
            ]
            assert all("ETag" in one.get("headers", {}) for one in good), route
