"""One service of all roles, with a key of each role. TEST KEYS."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx

from onboarding.services.settings import Role as Service
from onboarding.store.apikeys import Role
from tests.support.services import Running, Site

ZERO = "0" * 64


PCRS = {"7": ["ab" * 32]}


# A body for each route that it takes, or refuses for what it names only.
BODIES: dict[str, dict[str, Any]] = {
    "POST /apikeys": {"name": "n", "role": "operator", "expires_in": 60},
    "PUT /devices/{guid}/assignment": {"manifest": "m", "version": 1},
    "PUT /devices/{guid}/freeze": {"frozen": True, "reason": "r"},
    "PUT /devices/{guid}/labels": {"labels": {"site": "here"}},
    "PUT /devices/{guid}/policy": {"policy": "p", "version": 1},
    "POST /devices/{guid}/retire": {"reason": "r"},
    "POST /devices/{guid}/withdraw": {"reason": "r"},
    "PUT /device-ca/{name}/chain": {"chain_pem": "-----BEGIN"},
    "POST /device-keys": {"devices": [{"name": "SN", "pem": "-----BEGIN"}]},
    "PUT /lines/{name}": {"device_ca": "none-of-that-name"},
    "POST /lines/{name}/stations": {"name": "bench 1"},
    "POST /made/settle": {"serial": "SN-unheard-of"},
    "POST /ek-acceptances": {"ek_digest": "ab" * 32, "reason": "r"},
    "POST /keys/{fingerprint}/rotate": {"reason": "r", "successor": ZERO},
    "POST /keys/{fingerprint}/retire": {"reason": "r", "accept_loss": False},
    "POST /keys/{fingerprint}/revoke": {"reason": "r"},
    "POST /keys/{fingerprint}/reinstate": {"reason": "r"},
    "POST /manifests": {
        "name": "m",
        "version": 1,
        "kind": "quadlet",
        "files": [{"path": "a.container", "text": "[Container]"}],
    },
    "POST /passports": {
        "guid": str(uuid4()),
        "serial": "SN",
        "profile": "generic-sbc-tpm",
        "ek_public": "AAAA",
        "ek_certificate": None,
    },
    "POST /policies": {
        "kind": "attestation",
        "name": "p",
        "pcrs": PCRS,
        "bank": "sha256",
        "lease_seconds": 60,
    },
    "PUT /cohorts/{name}": {"labels": {"site": "here"}, "policy": "p", "version": 1},
    "POST /cohorts/{name}/enforce": {"preview": ZERO},
    "POST /cohorts/{name}/update": {"version": 2, "image": ZERO, "seconds": 60},
    "POST /keylime/drift/mend": {"strangers": False},
    "PUT /devices/{guid}/service-info": {"plan": "p"},
    "POST /service-info/plans": {
        "name": "p",
        "steps": [{"module": "fdo.upload", "parameters": {"name": "/etc/machine-id"}}],
    },
    "PUT /service-info/rules": {"labels": {"site": "here"}, "plan": "p"},
    "PUT /key-rules/{holder}/{fingerprint}": {"verdict": "deny", "reason": "r"},
    "POST /rendezvous-servers/reset": {"server": "https://rv.example"},
    "PUT /rvinfo": {"directives": [{"dns": "rv.example", "protocol": "http"}]},
    "PUT /to2-address": {
        "addresses": [{"dns": "o.example", "ip": None, "port": 1, "protocol": "http"}]
    },
    "PUT /trust": {"manufacturers": [ZERO], "device_cas_pem": ""},
    "POST /vouchers/extend": {"next_owner_pem": "-----BEGIN", "all": True},
    "POST /vouchers/{guid}/extend": {"next_owner_pem": "-----BEGIN"},
    "POST /vouchers/{guid}/resell": {"next_owner_pem": "-----BEGIN"},
    "PUT /vouchers/{guid}/credential": {"mode": "reuse"},
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
    settings = site.settings(Service.ALL, background=False, **changed)
    keys = {role: site.api_key(settings, role) for role in Role}
    with site.serve(settings) as service:
        yield Api(site, service, keys)


def is_problem(reply: httpx.Response) -> bool:
    """Whether an answer is a whole problem document. Source: RFC 9457."""
    if reply.headers["content-type"] != "application/problem+json":
        return False
    document = reply.json()
    named = document["type"] == f"urn:vouchgate:problem:{document['code']}"
    told = bool(document["detail"]) and document["status"] == reply.status_code
    return named and told


def filled(route: str) -> tuple[str, str]:
    """Method and path of a route, its parameters filled in."""
    method, path = route.split(" ")
    path = path.replace("{guid}", str(uuid4())).replace("{name}", "none")
    path = path.replace("{holder}", "owner").replace("{fingerprint}", ZERO)
    path = path.replace("{run}", "00").replace("{position}", "0")
    path = path.replace("{station}", "00" * 8)
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
    if route in BODIES and not kwargs:
        kwargs = {"json": BODIES[route]}
    return api.call(method, path, role, **kwargs)
