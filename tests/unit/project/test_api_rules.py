"""What the reference says of all routes alike, held against the OpenAPI document."""

from typing import Any

import pytest

from onboarding.services.settings import Role
from tests.reference.api import openapi_of
from tests.unit.project.test_docs import REFERENCE


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return openapi_of(Role.ALL, tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def operations(document: dict[str, Any]) -> dict[str, Any]:
    """``GET /path`` -> its operation."""
    return {
        f"{method.upper()} {path}": operation
        for path, known in document["paths"].items()
        for method, operation in known.items()
    }


def named(operation: dict[str, Any], where: str) -> set[str]:
    """The parameters that an operation declares."""
    known = operation.get("parameters", [])
    return {one["name"] for one in known if one["in"] == where}


def shape_of(operation: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    """The schema of what a GET answers, the members of its object; none if no JSON."""
    said = operation["responses"]["200"].get("content", {})
    schema = said.get("application/json", {}).get("schema", {})
    name = schema.get("$ref", "").removeprefix("#/components/schemas/")
    found = document["components"]["schemas"].get(name, {})
    members: dict[str, Any] = found.get("properties", {})
    return members


# It looks anew each time it is asked, so what it found has no second page.
LOOKS = {"/api/v1/keylime/drift"}


def test_every_list_is_given_page_by_page(document: dict[str, Any]) -> None:
    lists = {
        path: operations["get"]
        for path, operations in document["paths"].items()
        if "get" in operations and "items" in shape_of(operations["get"], document)
    }
    assert len(lists) > 30
    assert lists.keys() >= LOOKS
    for path, operation in lists.items():
        if path in LOOKS:
            continue
        assert {"cursor", "limit"} <= named(operation, "query"), path
        assert "next" in shape_of(operation, document), path


# To stop a device is never refused; the registrar decides on an agent; a chain must
# fit its key; runs are forgotten by the day. None of them replaces what one could
# have read.
UNCONDITIONAL = {
    "PUT /api/v1/devices/{guid}/freeze",
    "PUT /api/v1/devices/{guid}/agent",
    "PUT /api/v1/device-ca/{name}/chain",
    "DELETE /api/v1/traces",
}


def test_whatever_replaces_or_deletes_can_be_told_what_it_is_to_meet(
    operations: dict[str, Any],
) -> None:
    bare = {
        route
        for route, operation in operations.items()
        if route.startswith(("PUT ", "DELETE ", "PATCH "))
        and not {"if-match", "if-none-match"} <= named(operation, "header")
    }
    assert bare == UNCONDITIONAL
    told = (REFERENCE / "api.md").read_text().partition("## Roles")[0]
    assert {route for route in bare if f"`{route}`" not in told} == set()
