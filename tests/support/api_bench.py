"""One service of all roles, with a key of each role. TEST KEYS."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from onboarding.services.api.examples import EXAMPLES
from onboarding.services.settings import Role as Service
from onboarding.store.apikeys import Role
from ownership_vouchers.errors import Check
from tests.support.services import Running, Site

ZERO = "0" * 64


PCRS = {"7": ["ab" * 32]}
BODIES: dict[str, dict[str, Any]] = {
    route: body for route, body in EXAMPLES.items() if isinstance(body, dict)
}


ENDLESS = {"GET /events/stream"}


@dataclass
class Api:
    """One service of all roles, and a key of each role."""

    site: Site
    service: Running
    keys: dict[Role, str]

    def call(
        self, method: str, path: str, role: Role = Role.ADMIN, **kwargs: Any
    ) -> httpx.Response:
        return self.service.call(self.keys[role], method, path, **kwargs)


def started(site: Site, **changed: Any) -> Iterator[Api]:
    """Serve all roles; nobody is sent away for coming too often, unless asked for."""
    values = {"background": False, "api_source_rate": 0, "api_key_rate": 0, **changed}
    settings = site.settings(Service.ALL, **values)
    keys = {role: site.api_key(settings, role) for role in Role}
    with site.serve(settings) as service:
        yield Api(site, service, keys)
    site.close()


def is_problem(reply: httpx.Response) -> bool:
    """Whether an answer is a whole problem document. Source: RFC 9457."""
    if reply.headers["content-type"] != "application/problem+json":
        return False
    document = reply.json()
    named = document["type"] == f"urn:vouchgate:problem:{document['code']}"
    named = named and document["code"] in documented()
    told = bool(document["detail"] and document["remedy"])
    told = told and document["status"] == reply.status_code
    return named and told


@cache
def documented() -> frozenset[str]:
    """The codes of refusals that the reference of errors has."""
    text = (Path(__file__).parents[2] / "docs/reference/errors.md").read_text()
    checks = {one.value.replace("_", "-") for one in Check}
    return frozenset(re.findall(r"`([a-z-]+)`", text)) | checks


def filled(route: str) -> tuple[str, str]:
    """Method and path of a route, its parameters filled in."""
    method, path = route.split(" ")
    path = path.replace("{guid}", str(uuid4())).replace("{name}", "none")
    path = path.replace("{holder}", "owner").replace("{fingerprint}", ZERO)
    path = path.replace("{run}", "00").replace("{position}", "0")
    path = path.replace("{station}", "00" * 8).replace("{webhook}", "00" * 8)
    path = path.replace("{seq}", "1")
    return method, path.replace("{key_id}", "00").replace("{digest}", ZERO)


def _begun(api: Api, path: str, role: Role) -> httpx.Response:
    """An answer that has no end, left as soon as it has begun; a refusal is whole."""
    headers = {"X-API-Key": api.keys[role]}
    with api.service.http.stream("GET", f"/api/v1{path}", headers=headers) as reply:
        if reply.is_error:
            reply.read()
    return reply


def send(api: Api, route: str, role: Role, **kwargs: Any) -> httpx.Response:
    method, path = filled(route)
    if route in ENDLESS:
        return _begun(api, path, role)
    if route in EXAMPLES and not kwargs:
        body = EXAMPLES[route]
        kwargs = {"content": body} if isinstance(body, str) else {"json": body}
    return api.call(method, path, role, **kwargs)
