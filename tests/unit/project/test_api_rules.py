"""What the reference says of all routes alike, held against the OpenAPI document."""

import re
from typing import Any

import pytest

from onboarding.services.settings import Role
from tests.reference.api import openapi_of
from tests.unit.project.test_docs import REFERENCE

LISTS = re.compile(r"list_|get_(timeline|appraisals|lineage)")


@pytest.fixture(scope="module")
def operations(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """``GET /path`` -> its operation, of every server."""
    return {
        f"{method.upper()} {path}": operation
        for role in (Role.MANUFACTURING, Role.RENDEZVOUS, Role.OWNER)
        for path, known in openapi_of(role, tmp_path_factory.mktemp("keys"))[
            "paths"
        ].items()
        for method, operation in known.items()
    }


def named(operation: dict[str, Any], where: str) -> set[str]:
    """The parameters that an operation declares."""
    known = operation.get("parameters", [])
    return {one["name"] for one in known if one["in"] == where}


def paths_after(words: str) -> set[str]:
    """The paths that the bullet with these words names."""
    text = (REFERENCE / "api.md").read_text()
    (bullet,) = re.findall(rf"^\* \*\*{words}\*\*.*?(?=^\* )", text, re.M | re.S)
    return set(re.findall(r"`(/api/v1/[^`]+)`", bullet))


def test_the_reference_names_every_list_without_a_cursor(
    operations: dict[str, Any],
) -> None:
    lists = {
        route.removeprefix("GET "): named(operation, "query")
        for route, operation in operations.items()
        if route.startswith("GET ") and LISTS.match(operation.get("operationId", ""))
    }
    bare = {path for path, queries in lists.items() if "cursor" not in queries}
    assert paths_after("Lists without a cursor") == bare
    assert len(lists) > len(bare)
    for path in lists.keys() - bare:
        assert "limit" in lists[path], path


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
