"""The table of routes in docs/reference/api.md, from the services' OpenAPI documents.

Everything between the two marks of that page is written here; what is around them is
people's.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from onboarding.services import server
from onboarding.services.app import build
from onboarding.services.key_material import KeyAlgorithm
from onboarding.services.key_store import KeyKind, KeyStore
from onboarding.services.settings import Role, Settings
from tests.reference.page import between

PAGE = Path(__file__).parents[2] / "docs/reference/api.md"
MARK = "written by `make reference` from the OpenAPI documents"
SERVERS = (Role.MANUFACTURING, Role.RENDEZVOUS, Role.OWNER)
METHODS = ("GET", "POST", "PUT", "DELETE")
ROLES = {"manufacturer", "operator", "security"}
PAGING = {"limit", "cursor"}
HEAD = """\
| route | roles | served by | what it does | queries | limited keys |
| --- | --- | --- | --- | --- | --- |
"""


@dataclass
class Route:
    """One route, as each service that has it describes it."""

    described: dict[str, Any]
    servers: list[Role] = field(default_factory=list)


def written() -> str:
    """The page as it should be. Raises ValueError if it has not its two marks."""
    rows = "".join(_row(*one) for one in _sorted(routes()))
    return between(PAGE, MARK, f"{HEAD}{rows}")


def routes() -> dict[tuple[str, str], Route]:
    """By path and method, all routes of all services."""
    found: dict[tuple[str, str], Route] = {}
    with tempfile.TemporaryDirectory() as directory:
        for role in SERVERS:
            at = Path(directory) / role.value
            at.mkdir()
            for path, operations in openapi_of(role, at)["paths"].items():
                for method, operation in operations.items():
                    known = found.setdefault((path, method.upper()), Route(operation))
                    known.servers.append(role)
    return found


def _sorted(
    found: dict[tuple[str, str], Route],
) -> Iterator[tuple[str, str, Route]]:
    for path, method in sorted(found, key=lambda one: (one[0], METHODS.index(one[1]))):
        if "x-roles" in found[path, method].described:
            yield path, method, found[path, method]


def _row(path: str, method: str, route: Route) -> str:
    said = route.described
    limits = ", ".join(one for one in ("labels", "lines") if f"x-{one}" in said)
    cells = (
        f"`{method} {path}`",
        _roles(set(said["x-roles"])),
        " ".join(one.value[0].upper() for one in route.servers),
        said.get("description", "").split("\n")[0].replace("``", "`"),
        ", ".join(f"`{one}`" for one in _queries(said)),
        limits,
    )
    return f"| {' | '.join(cells)} |\n".replace("  |", " |")


def _queries(said: dict[str, Any]) -> list[str]:
    named = [one["name"] for one in said.get("parameters", ()) if one["in"] == "query"]
    paged = PAGING <= set(named)
    return [one for one in named if not (paged and one in PAGING)] + ["cursor"] * paged


def _roles(roles: set[str]) -> str:
    roles -= {"admin"}
    if roles >= ROLES:
        return "any"
    return ", ".join(sorted(roles)) or "admin only"


def openapi_of(role: Role, directory: Path) -> dict[str, Any]:
    """What the service of ``role`` says of itself."""
    passphrase = directory / "passphrase"
    passphrase.write_text("a passphrase of the tests")
    keys = KeyStore(directory / "keys", passphrase.read_bytes())
    for kind in KeyKind:
        keys.create(kind.value, kind, KeyAlgorithm.P256)
    settings = Settings(
        role=role,
        database_url=f"sqlite:///{directory / 'service.db'}",
        key_directory=directory / "keys",
        key_passphrase_file=passphrase,
    )
    app: Any = build(settings, server.parts_of(role))
    while not hasattr(app, "openapi"):  # through the layers in front of FastAPI
        app = app._app
    document: dict[str, Any] = app.openapi()
    app.state.context.close()
    return document
