"""The management API: who may do what, and how every refusal is said."""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from onboarding.services.key_store import KeyKind, KeyStore
from onboarding.services.settings import Role as Service
from onboarding.store.apikeys import Role
from ownership_vouchers.algorithms import SigningKey
from ownership_vouchers.extend import extend
from ownership_vouchers.keys import PublicKey
from ownership_vouchers.pem import dump_pem, load_vouchers
from tests.support.alterations import flip
from tests.support.postgres import PrivatePostgres
from tests.support.services import PASSPHRASE, Running, Site, Wire
from tests.support.soft_device import SoftDevice
from tests.support.supply_chain import SupplyChain

READERS = {"manufacturer", "operator", "security", "admin"}
ROLES: dict[str, set[str]] = {
    "GET /apikeys": {"admin"},
    "POST /apikeys": {"admin"},
    "DELETE /apikeys/{key_id}": {"admin"},
    "GET /decisions": {"operator", "security", "admin"},
    "GET /device-ca": READERS,
    "GET /devices": {"operator", "security", "admin"},
    "GET /devices/{guid}": {"operator", "security", "admin"},
    "GET /devices/{guid}/appraisals": {"operator", "security", "admin"},
    "GET /devices/{guid}/timeline": {"operator", "security", "admin"},
    "PUT /devices/{guid}/assignment": {"operator", "admin"},
    "PUT /devices/{guid}/freeze": {"operator", "security", "admin"},
    "PUT /devices/{guid}/labels": {"operator", "admin"},
    "PUT /devices/{guid}/policy": {"operator", "security", "admin"},
    "POST /devices/{guid}/retire": {"operator", "admin"},
    "POST /devices/{guid}/withdraw": {"operator", "security", "admin"},
    "GET /ek-roots": {"operator", "security", "admin"},
    "POST /ek-roots": {"security", "admin"},
    "DELETE /ek-roots/{digest}": {"security", "admin"},
    "GET /events": {"security", "admin"},
    "GET /keys": READERS,
    "GET /manifests": {"operator", "security", "admin"},
    "POST /manifests": {"operator", "admin"},
    "POST /passports": {"manufacturer", "admin"},
    "GET /policies": {"operator", "security", "admin"},
    "POST /policies": {"security", "admin"},
    "GET /policies/{name}": {"operator", "security", "admin"},
    "GET /registrations": {"operator", "security", "admin"},
    "GET /rvinfo": READERS,
    "PUT /rvinfo": {"manufacturer", "operator", "admin"},
    "GET /to0": {"operator", "security", "admin"},
    "POST /to0/{guid}": {"operator", "admin"},
    "GET /to2-address": READERS,
    "PUT /to2-address": {"operator", "admin"},
    "GET /trust": READERS,
    "PUT /trust": {"security", "admin"},
    "GET /vouchers": READERS,
    "POST /vouchers": {"operator", "admin"},
    "GET /vouchers/{guid}": READERS,
    "DELETE /vouchers/{guid}": {"manufacturer", "operator", "admin"},
    "POST /vouchers/{guid}/extend": {"manufacturer", "operator", "admin"},
    "GET /vouchers/{guid}/passport": READERS,
    "GET /vouchers/{guid}/pem": READERS,
}
WITHOUT_KEY = {"/healthz", "/readyz", "/metrics"}
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
    "PUT /rvinfo": {"directives": [{"dns": "rv.example", "protocol": "http"}]},
    "PUT /to2-address": {
        "addresses": [{"dns": "o.example", "ip": None, "port": 1, "protocol": "http"}]
    },
    "PUT /trust": {"manufacturers": [ZERO], "device_cas_pem": ""},
    "POST /vouchers/{guid}/extend": {"next_owner_pem": "-----BEGIN"},
}
ODD: list[Any] = [
    None,
    True,
    -1,
    2**31,
    2**70,
    1.5,
    "",
    "\x00",
    "a\x00b",
    "\ud800",
    "\x1b[2J",
    "x" * 5000,
    "../../etc/passwd",
    [],
    [None],
    [[]],
    {},
    {"": ""},
    {"\x00": "\x00"},
    {"7": [1]},
    [{"path": "/abs", "text": ""}],
    [{"path": "a", "content": "%%%"}],
    [{"dns": "\x00"}],
]


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


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    for found in started(Site(tmp_path_factory.mktemp("api"))):
        directives = [{"ip": "127.0.0.1", "device_port": 1, "protocol": "http"}]
        found.call("PUT", "/rvinfo", json={"directives": directives})
        yield found


@pytest.fixture
def shop(api: Api) -> Api:
    """The same, with nobody on its list of manufacturers."""
    assert api.call("PUT", "/trust", json={}).status_code == 200
    return api


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def any_api(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Api]:
    """The same API over either kind of database."""
    site = Site(tmp_path_factory.mktemp("any"))
    if request.param == "sqlite":
        yield from started(site)
        return
    server: PrivatePostgres = request.getfixturevalue("postgres_server")
    url = server.new_database()
    yield from started(site, database_url=url)
    server.drop_database(url)


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
    return method, path.replace("{key_id}", "00").replace("{digest}", ZERO)


def send(api: Api, route: str, role: Role, **kwargs: Any) -> httpx.Response:
    method, path = filled(route)
    if route in BODIES and not kwargs:
        kwargs = {"json": BODIES[route]}
    return api.call(method, path, role, **kwargs)


def test_each_route_says_which_roles_it_lets_in(api: Api) -> None:
    document = api.service.http.get("/api/v1/openapi.json").json()
    said = {
        f"{method.upper()} {path.removeprefix('/api/v1')}": set(one["x-roles"])
        for path, methods in document["paths"].items()
        for method, one in methods.items()
        if path.startswith("/api/v1/")
    }
    assert said == ROLES
    others = {path for path in document["paths"] if not path.startswith("/api/v1/")}
    assert {path for path in others if "/device/" not in path} == WITHOUT_KEY
    assert document["openapi"].startswith("3.1")


@pytest.mark.parametrize("route", list(ROLES))
def test_a_route_lets_in_its_roles_and_no_other(api: Api, route: str) -> None:
    for role in Role:
        reply = send(api, route, role)
        if role.value in ROLES[route]:
            assert reply.status_code not in (401, 403, 405), reply.text
            assert reply.status_code < 500, reply.text
        else:
            assert reply.status_code == 403
            assert reply.json()["code"] == "role-refused"


@pytest.mark.parametrize("route", list(ROLES))
def test_no_route_answers_without_a_key(api: Api, route: str) -> None:
    method, path = filled(route)
    for headers in (
        {},
        {"X-API-Key": "vg_00_nonsense"},
        {"Authorization": "Basic dXNlcjpwYXNz"},
        {"Authorization": "Bearer x"},
        {"X-API-Key": "\xff" * 300},
    ):
        raw = [(k.encode(), v.encode("latin-1")) for k, v in headers.items()]
        reply = api.service.http.request(method, f"/api/v1{path}", headers=raw)
        assert reply.status_code == 401
        assert is_problem(reply)
        assert "www-authenticate" in reply.headers


def test_a_key_may_come_as_a_bearer_token(api: Api) -> None:
    headers = {"Authorization": f"Bearer {api.keys[Role.ADMIN]}"}
    assert api.service.http.get("/api/v1/keys", headers=headers).status_code == 200


def test_a_revoked_key_opens_nothing(api: Api) -> None:
    body = {"name": "short-lived", "role": "operator"}
    made = api.call("POST", "/apikeys", json=body).json()
    assert api.service.call(made["key"], "GET", "/keys").status_code == 200
    assert api.call("DELETE", f"/apikeys/{made['id']}").status_code == 204
    assert api.service.call(made["key"], "GET", "/keys").status_code == 401
    listed = api.call("GET", "/apikeys").text
    assert made["key"] not in listed


def test_health_needs_no_key(api: Api) -> None:
    for path in WITHOUT_KEY:
        assert api.service.http.get(path).status_code == 200


REFUSALS: dict[str, tuple[str, str, dict[str, Any], int, str]] = {
    "no such route": ("GET", "/nothing", {}, 404, "not-found"),
    "no such device": ("GET", f"/devices/{uuid4()}", {}, 404, "not-found"),
    "no GUID": ("GET", "/devices/none", {}, 422, "invalid-guid"),
    "another method": ("PATCH", "/keys", {}, 405, "method-not-allowed"),
    "no JSON": ("PUT", "/trust", {"content": b"{"}, 422, "invalid"),
    "JSON that is too deep": (
        "PUT",
        "/trust",
        {"content": b"[" * 200_000},
        422,
        "invalid",
    ),
    "a field too many": ("PUT", "/trust", {"json": {"x": 1}}, 422, "invalid"),
    "a body too large": (
        "PUT",
        "/trust",
        {"content": b" " * 1_100_000},
        413,
        "body-too-large",
    ),
    "no voucher": ("POST", "/vouchers", {"content": b"x"}, 422, "malformed"),
    "no certificate": (
        "POST",
        "/ek-roots",
        {"content": b"x"},
        422,
        "not-certificates",
    ),
    "a cursor of nobody": ("GET", "/vouchers?cursor=zz", {}, 422, "invalid-cursor"),
    "a limit of nothing": ("GET", "/devices?limit=0", {}, 422, "invalid"),
    "a PCR that proves nothing": (
        "POST",
        "/policies",
        {"json": {"kind": "attestation", "name": "x", "pcrs": {"16": ["ab" * 32]}}},
        422,
        "refused",
    ),
    "a policy that skips a version": (
        "POST",
        "/policies",
        {"json": {**BODIES["POST /policies"], "name": "skips", "version": 9}},
        409,
        "conflict",
    ),
    "a manifest with a path that climbs": (
        "POST",
        "/manifests",
        {
            "json": {
                **BODIES["POST /manifests"],
                "files": [{"path": "../x", "text": ""}],
            }
        },
        422,
        "unsafe-content",
    ),
}


@pytest.mark.parametrize("case", list(REFUSALS))
def test_a_refusal_is_a_problem_document_with_a_stable_code(
    api: Api, case: str
) -> None:
    method, path, kwargs, status, code = REFUSALS[case]
    reply = api.call(method, path, **kwargs)
    assert (reply.status_code, reply.json()["code"]) == (status, code), reply.text
    assert is_problem(reply)


@pytest.mark.parametrize("route", list(BODIES))
def test_no_odd_value_in_any_field_is_a_fault_of_ours(any_api: Api, route: str) -> None:
    good = BODIES[route]
    for name in (*good, "unknown"):
        for odd in ODD:
            body = json.dumps({**good, name: odd}).encode()
            reply = send(any_api, route, Role.ADMIN, content=body)
            assert reply.status_code < 500, (name, odd, reply.text)
            assert reply.is_success or is_problem(reply), (name, odd, reply.text)
    for odd in ODD:
        reply = send(any_api, route, Role.ADMIN, content=json.dumps(odd).encode())
        assert 400 <= reply.status_code < 500, (odd, reply.text)


@pytest.mark.parametrize("route", [one for one in ROLES if one.startswith("GET")])
def test_no_odd_query_or_path_is_a_fault_of_ours(any_api: Api, route: str) -> None:
    method, path = filled(route)
    for odd in ("%00", "%ff%fe", "1%3A%00", "zz", "-1", "9" * 40, "a" * 200, "%1f"):
        paths = [path.replace("none", odd)]
        if "{guid}" in route:
            paths.append(route.split(" ")[1].replace("{guid}", odd))
        for query in ("limit", "cursor", "guid", "state", "cause", "serial", "version"):
            paths.append(f"{path}?{query}={odd}")
        for one in paths:
            reply = any_api.call(method, one)
            assert reply.status_code < 500, (one, reply.text)
            assert reply.is_success or is_problem(reply), (one, reply.text)


def altered(pem: str) -> str:
    """One bit of the voucher's last byte, in its last entry's signature."""
    (voucher,) = load_vouchers(pem.encode())
    body = base64.b64encode(flip(voucher.raw)).decode()
    name = "OWNERSHIP VOUCHER"
    return f"-----BEGIN {name}-----\n{body}\n-----END {name}-----\n"


def public_pem(key: SigningKey) -> str:
    public = key.public_key()
    form = PublicFormat.SubjectPublicKeyInfo
    return public.public_bytes(Encoding.PEM, form).decode()


def owned_by(api: Api, chain: SupplyChain) -> str:
    """A chain's voucher, sold to this API's owner, as PEM."""
    store = KeyStore(api.site.directory / "keys", PASSPHRASE)
    ours = PublicKey.of(store.signer(KeyKind.OWNER.value).public_key)
    owner = chain.owner
    return dump_pem(extend(chain.verified, owner.signer, owner.public_key, ours))


def test_an_import_says_for_each_voucher_what_became_of_it(shop: Api) -> None:
    good = owned_by(shop, SupplyChain().make_device().sell_to("dealer"))
    other = owned_by(shop, SupplyChain().make_device().sell_to("dealer"))
    strangers = SupplyChain().make_device().sell_to("somebody else")
    file = "A delivery\r\n" + good + altered(other)
    file += dump_pem(strangers.voucher) + good.replace("\n", "\r\n")
    reply = shop.call("POST", "/vouchers", content=file).json()
    told = [(one["status"], one["code"]) for one in reply["results"]]
    assert told == [
        ("imported", None),
        ("refused", "entries"),
        ("refused", "owner_key"),
        ("unchanged", None),
    ]
    counts = {name: reply[name] for name in ("imported", "refused", "unchanged")}
    assert counts == {"imported": 1, "refused": 2, "unchanged": 1}


def test_an_import_of_nothing_good_is_refused_and_stores_nothing(shop: Api) -> None:
    pem = owned_by(shop, SupplyChain().make_device().sell_to("dealer"))
    reply = shop.call("POST", "/vouchers", content=altered(pem))
    assert (reply.status_code, reply.json()["code"]) == (422, "vouchers-refused")
    (result,) = reply.json()["results"]
    assert result["code"] == "entries"
    guid = result["guid"]
    assert shop.call("GET", f"/vouchers/{guid}").status_code == 404
    events = shop.call("GET", "/events?cause=voucher.refused").json()["items"]
    assert [one["guid"] for one in events][:1] == [guid]


def test_an_untrusted_manufacturer_is_refused_once_there_is_a_list(
    tmp_path: Path,
) -> None:
    for own in started(Site(tmp_path)):
        chain = SupplyChain().make_device().sell_to("dealer")
        pem = owned_by(own, chain)
        own.call("PUT", "/trust", json={"manufacturers": [ZERO]})
        refused = own.call("POST", "/vouchers", content=pem).json()
        assert refused["results"][0]["code"] == "manufacturer"
        known = chain.manufacturer.public_key.fingerprint()
        own.call("PUT", "/trust", json={"manufacturers": [known]})
        assert own.call("POST", "/vouchers", content=pem).json()["imported"] == 1


def test_vouchers_come_in_pages_that_cover_all_of_them(shop: Api) -> None:
    pems = [
        owned_by(shop, SupplyChain().make_device().sell_to("dealer")) for _ in range(3)
    ]
    shop.call("POST", "/vouchers", content="".join(pems))
    seen: list[str] = []
    path = "/vouchers?limit=2"
    while True:
        page = shop.call("GET", path).json()
        assert len(page["items"]) <= 2
        seen += [one["guid"] for one in page["items"]]
        if page["next"] is None:
            break
        path = f"/vouchers?limit=2&cursor={page['next']}"
    assert len(seen) == len(set(seen)) >= 3
    assert seen == sorted(seen)


def test_a_voucher_is_sold_exported_and_deleted(api: Api) -> None:
    device = SoftDevice.made_at(Wire.to(api.service.url), "SN-5")
    path = f"/vouchers/{device.credential.guid}"
    assert api.call("GET", path).json()["serial"] == "SN-5"
    buyer = SupplyChain().make_device().sell_to("buyer").owner
    body = {"next_owner_pem": public_pem(buyer.private_key)}
    sold = api.call("POST", f"{path}/extend", Role.MANUFACTURER, json=body).json()
    assert (sold["entries"], sold["owner_fingerprint"]) == (
        1,
        buyer.public_key.fingerprint(),
    )
    assert api.call("GET", f"{path}/pem").text == sold["pem"]
    again = api.call("POST", f"{path}/extend", json=body)
    assert (again.status_code, again.json()["code"]) == (409, "not-our-voucher")
    assert api.call("DELETE", path).status_code == 204
    assert api.call("GET", path).status_code == 404


def test_a_sale_to_a_key_of_another_kind_is_refused(api: Api) -> None:
    device = SoftDevice.made_at(Wire.to(api.service.url))
    wrong = SupplyChain("P-384").make_device().owner.private_key
    reply = api.call(
        "POST",
        f"/vouchers/{device.credential.guid}/extend",
        json={"next_owner_pem": public_pem(wrong)},
    )
    assert (reply.status_code, reply.json()["code"]) == (422, "unsupported-key")


def test_a_changed_setting_is_an_audit_event(api: Api) -> None:
    api.call("PUT", "/to2-address", json=BODIES["PUT /to2-address"])
    newest = api.call("GET", "/events?cause=setting&limit=1").json()["items"][0]
    assert newest["detail"] == {"name": "to2_addresses"}
    assert newest["actor"].startswith("apikey:")


def test_the_same_policy_and_manifest_again_is_no_change(api: Api) -> None:
    for path in ("/policies", "/manifests"):
        body = {**BODIES[f"POST {path}"], "name": "twice", "version": 1}
        first, second = (api.call("POST", path, json=body) for _ in "ab")
        assert (first.status_code, second.status_code) == (201, 200)
        body["lease_seconds" if path == "/policies" else "kind"] = (
            61 if path == "/policies" else "kube"
        )
        assert api.call("POST", path, json=body).status_code == 409
