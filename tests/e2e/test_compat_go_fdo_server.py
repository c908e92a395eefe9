"""go-fdo-server's v1 paths, asked what its scripts ask, on real services."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from onboarding.services.key_material import KeyAlgorithm
from onboarding.services.key_store import KeyKind, KeyStore
from onboarding.services.settings import Compat, Role
from onboarding.store import apikeys
from ownership_vouchers.extend import extend
from ownership_vouchers.keys import PublicKey
from ownership_vouchers.pem import dump_pem, load_vouchers
from ownership_vouchers.verify import verify
from tests.support.compat_site import TEXT, Incumbent, incumbent
from tests.support.fdo_chain import eventually
from tests.support.services import PASSPHRASE, Site, Wire
from tests.support.supply_chain import SupplyChain

FACTORY, RENDEZVOUS, OWNER = Role.MANUFACTURING, Role.RENDEZVOUS, Role.OWNER
RVINFO, REDIRECT = "/api/v1/rvinfo", "/api/v1/owner/redirect"
VOUCHERS = "/api/v1/owner/vouchers"


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Incumbent]:
    yield from incumbent(tmp_path_factory.mktemp("compat"))


def devices(peer: Incumbent, query: str = "") -> Any:
    reply = peer.ask(OWNER, "GET", f"/api/v1/owner/devices{query}")
    assert reply.status_code == 200, reply.text
    return reply.json()


def test_each_role_says_without_a_key_that_it_is_healthy(peer: Incumbent) -> None:
    for role in (FACTORY, RENDEZVOUS, OWNER):
        reply = peer.ask(role, "GET", "/health", headers={"X-API-Key": ""})
        assert reply.status_code == 200
        assert reply.json()["status"] == "OK"
        assert set(reply.json()) == {"version", "status", "message"}


def test_a_device_goes_their_way_from_the_factory_to_its_owner(
    peer: Incumbent,
) -> None:
    peer.set_up()
    device = peer.device()
    guid = device.credential.guid.hex
    listed = peer.ask(FACTORY, "GET", "/api/v1/vouchers").json()
    assert listed[0]["guid"] == guid
    assert set(listed[0]) == {"guid", "device_info", "created_at", "updated_at"}
    assert (
        peer.ask(FACTORY, "GET", f"/api/v1/vouchers?guid={guid}").json() == listed[:1]
    )
    pem = peer.voucher(device)
    (voucher,) = load_vouchers(pem.encode())
    verify(voucher)
    reply = peer.ask(OWNER, "POST", "/api/v1/owner/vouchers", pem)
    assert (reply.status_code, reply.text) == (200, "")
    there = peer.ask(OWNER, "GET", f"{VOUCHERS}?guid={guid}").json()
    (one,) = there
    assert (one["guid"], set(one)) == (guid, set(listed[0]))
    kind = {"device_info": one["device_info"]}
    assert one in peer.ask(OWNER, "GET", VOUCHERS, params=kind).json()
    kind["device_info"] += "x"
    assert peer.ask(OWNER, "GET", VOUCHERS, params=kind).json() == []
    shown = peer.ask(OWNER, "GET", f"{VOUCHERS}/{guid}")
    assert shown.headers["content-type"] == "application/x-pem-file"
    assert shown.text == pem
    waiting = next(one for one in devices(peer) if one["guid"] == guid)
    assert (waiting["old_guid"], waiting["to2_completed"]) == ("", False)
    assert "to2_completed_at" not in waiting

    eventually(lambda: peer.state(guid) == "registered")
    to1d = Wire.to(peer.url(RENDEZVOUS)).run(device.to1())
    device.onboard(Wire.to(peer.url(OWNER)), to1d=to1d)
    (found,) = devices(peer, f"?old_guid={guid}")
    assert found["guid"] == device.credential.guid.hex != guid
    assert (found["old_guid"], found["to2_completed"]) == (guid, True)
    assert found["to2_completed_at"].endswith("Z")
    assert devices(peer, f"?old_guid={device.credential.guid.hex}") == []

    again = peer.ask(OWNER, "POST", VOUCHERS, pem)
    assert again.status_code == 200
    assert "was onboarded and has a new GUID" in again.text
    (still,) = devices(peer, f"?old_guid={guid}")
    assert still == found


def test_another_voucher_of_a_known_guid_is_refused_and_overwrites_nothing(
    peer: Incumbent,
) -> None:
    """Theirs skips it and answers 200, so that nobody learns of the mix-up."""
    pem = peer.site.keys[KeyKind.OWNER].public_pem.encode()
    ours = PublicKey.of(load_pem_public_key(pem))  # type: ignore[arg-type]
    chain = SupplyChain()
    chain.make_device().sell_to("dealer")
    seller = chain.owner
    known, twin = (
        dump_pem(extend(chain.verified, seller.signer, seller.public_key, ours))
        for _ in range(2)
    )
    assert known != twin
    for _ in range(2):  # the very same bytes are no news
        reply = peer.ask(OWNER, "POST", VOUCHERS, known)
        assert (reply.status_code, reply.text) == (200, "")
    refused = peer.ask(OWNER, "POST", VOUCHERS, twin)
    assert refused.status_code == 400
    assert "another voucher with this GUID" in refused.text
    shown = peer.ask(OWNER, "GET", f"{VOUCHERS}/{chain.verified.voucher.guid.hex}")
    assert shown.text == known


def test_a_device_is_resold_before_it_was_switched_on(
    peer: Incumbent, tmp_path: Path
) -> None:
    peer.set_up()
    device = peer.device()
    guid = device.credential.guid.hex
    peer.ask(OWNER, "POST", "/api/v1/owner/vouchers", peer.voucher(device))
    store = KeyStore(tmp_path, PASSPHRASE)
    buyer = store.create("buyer", KeyKind.OWNER, KeyAlgorithm.P256)
    path = f"/api/v1/owner/resell/{guid}"
    reply = peer.ask(OWNER, "POST", path, buyer.public_pem)
    assert reply.headers["content-type"] == "application/x-pem-file"
    (voucher,) = load_vouchers(reply.content)
    verify(voucher)
    assert voucher.owner_key.fingerprint() == buyer.fingerprint
    assert guid not in {one["guid"] for one in devices(peer)}
    again = peer.ask(OWNER, "POST", path, buyer.public_pem)
    assert again.status_code == 409
    refused = peer.ask(OWNER, "POST", path, "no key")
    assert refused.status_code in (400, 409)


def test_rvinfo_is_created_once_and_updated_afterwards(tmp_path: Path) -> None:
    for peer in incumbent(tmp_path):
        missing = peer.ask(FACTORY, "GET", RVINFO, headers=TEXT)
        assert (missing.status_code, missing.text) == (404, "No rvInfo found\n")
        said = json.dumps(peer.rv_info(rv_bypass=True, delay_seconds=5))
        assert peer.ask(FACTORY, "PUT", RVINFO, said).status_code == 404
        made = peer.ask(FACTORY, "POST", RVINFO, said)
        assert (made.status_code, made.text) == (201, said)
        assert peer.ask(FACTORY, "POST", RVINFO, said).status_code == 409
        assert peer.ask(FACTORY, "GET", RVINFO).json() == json.loads(said)
        assert peer.ask(FACTORY, "PUT", RVINFO, said).status_code == 200
        ours = peer.running[FACTORY].call(peer.keys[FACTORY], "GET", "/rvinfo").json()
        assert ours["directives"][0]["bypass"] is True
        assert isinstance(ours["directives"][0]["device_port"], int)

        missing = peer.ask(OWNER, "GET", REDIRECT, headers=TEXT)
        assert missing.status_code == 404
        assert peer.ask(OWNER, "PUT", REDIRECT, peer.redirect()).status_code == 404
        made = peer.ask(OWNER, "POST", REDIRECT, peer.redirect(), headers=TEXT)
        assert made.status_code == 201
        assert peer.ask(OWNER, "POST", REDIRECT, peer.redirect()).status_code == 409
        assert peer.ask(OWNER, "GET", REDIRECT).json() == json.loads(peer.redirect())


def test_rvinfo_of_version_2_lives_as_their_script_has_it(tmp_path: Path) -> None:
    path = "/api/v2/rvinfo"
    for peer in incumbent(tmp_path):
        assert peer.ask(FACTORY, "GET", path).json() == []
        bad = '[[{"protocol": "http"}, {"owner_port": 8080}]]'
        refused = peer.ask(FACTORY, "PUT", path, bad)
        assert refused.status_code == 400
        assert "at least one of dns or ip" in refused.json()["message"]
        said = [
            [
                {"dns": "owner.example.com"},
                {"protocol": "https"},
                {"owner_port": 8443},
                {"rv_bypass": True},
            ],
            [{"ip": "192.168.1.100"}, {"protocol": "http"}, {"owner_port": 8080}],
        ]
        reply = peer.ask(FACTORY, "PUT", path, json.dumps(said))
        assert (reply.status_code, reply.json()) == (200, said)
        assert peer.ask(FACTORY, "GET", path).json() == said
        assert peer.ask(FACTORY, "DELETE", path).json() == said
        assert peer.ask(FACTORY, "GET", path).text == "[]\n"
        assert peer.ask(FACTORY, "DELETE", path).json() == []


def test_device_cas_are_added_listed_and_deleted_one_by_one(tmp_path: Path) -> None:
    path = "/api/v1/device-ca"
    for peer in incumbent(tmp_path):

        def certs(peer: Incumbent = peer) -> list[dict[str, str]]:
            found = peer.ask(RENDEZVOUS, "GET", path).json()
            assert found["total"] == len(found["certs"])
            return list(found["certs"])

        first = peer.device_ca()
        assert certs() == []
        added = peer.ask(RENDEZVOUS, "POST", path, first).json()
        assert (added["detected"], added["imported"], added["skipped"]) == (1, 1, 0)
        again = peer.ask(RENDEZVOUS, "POST", path, first).json()
        assert (again["imported"], again["skipped"]) == (0, 1)
        store = KeyStore(tmp_path / "more", PASSPHRASE)
        more = [
            str(
                store.create(name, KeyKind.DEVICE_CA, KeyAlgorithm.P256).certificate_pem
            )
            for name in ("a", "b")
        ]
        peer.ask(RENDEZVOUS, "POST", path, "".join((first, *more)))
        listed = certs()
        assert [one["pem"] for one in listed] == [first, *more]
        assert listed[0]["notAfter"] == "9999-12-31T23:59:59Z"
        one = f"{path}/{listed[0]['fingerprint']}"
        assert peer.ask(RENDEZVOUS, "GET", one).json() == listed[0]
        as_pem = {"Accept": "application/x-pem-file"}
        assert peer.ask(RENDEZVOUS, "GET", one, headers=as_pem).text == first
        assert peer.ask(RENDEZVOUS, "DELETE", one).status_code == 204
        assert len(certs()) == 2
        assert peer.ask(RENDEZVOUS, "DELETE", one).status_code == 404
        assert peer.ask(RENDEZVOUS, "POST", path, "none").status_code == 400
        assert len(certs()) == 2


def test_an_owner_takes_no_voucher_whose_device_ca_it_does_not_trust(
    tmp_path: Path,
) -> None:
    path = "/api/v1/device-ca"
    for peer in incumbent(tmp_path):
        peer.set_up()
        pem = peer.voucher(peer.device())
        store = KeyStore(tmp_path / "more", PASSPHRASE)
        other = store.create("other", KeyKind.DEVICE_CA, KeyAlgorithm.P256)
        peer.ask(OWNER, "POST", path, str(other.certificate_pem))
        (trusted,) = peer.ask(OWNER, "GET", path).json()["certs"]
        assert trusted["pem"] == other.certificate_pem
        refused = peer.ask(OWNER, "POST", VOUCHERS, pem)
        assert refused.status_code == 400
        assert "device" in refused.text
        added = peer.ask(OWNER, "POST", path, peer.device_ca()).json()
        assert added["imported"] == 1
        assert peer.ask(OWNER, "POST", VOUCHERS, pem).status_code == 200
        one = f"{path}/{trusted['fingerprint']}"
        assert peer.ask(OWNER, "DELETE", one).status_code == 204
        assert peer.ask(OWNER, "GET", one).status_code == 404


BAD_BODIES: dict[str, tuple[Role, str, str]] = {
    "rvinfo that is no JSON": (FACTORY, RVINFO, "none"),
    "rvinfo that is no list": (FACTORY, RVINFO, "{}"),
    "a directive without an address": (FACTORY, RVINFO, '[{"protocol": "http"}]'),
    "a protocol there is not": (FACTORY, RVINFO, '[{"dns": "a", "protocol": "ftp"}]'),
    "a port too high": (FACTORY, RVINFO, '[{"dns": "a", "device_port": "65536"}]'),
    "a member there is not": (FACTORY, RVINFO, '[{"dns": "a", "rv_bypas": true}]'),
    "a list too deep": (FACTORY, RVINFO, "[" * 100_000),
    "ext_rv too deep": (
        FACTORY,
        RVINFO,
        json.dumps([{"dns": "a", "ext_rv": "[" * 100_000}]),
    ),
    "an address that is none": (OWNER, REDIRECT, '[{"ip": "300.0.0.1", "port": "1"}]'),
    "no address": (OWNER, REDIRECT, "[]"),
    "a port that is none": (
        OWNER,
        REDIRECT,
        '[{"dns": "a", "port": "x", "protocol": "http"}]',
    ),
    "vouchers that are none": (OWNER, "/api/v1/owner/vouchers", "none"),
}


@pytest.mark.parametrize("name", BAD_BODIES)
def test_what_cannot_be_read_is_400_in_words(peer: Incumbent, name: str) -> None:
    role, path, body = BAD_BODIES[name]
    reply = peer.ask(role, "POST", path, body)
    assert reply.status_code == 400, reply.text
    assert reply.headers["content-type"] == "text/plain; charset=utf-8"
    assert reply.text.endswith("\n")
    assert len(reply.text) < 1000


@pytest.mark.parametrize("at", [120, 200])
def test_an_altered_voucher_is_refused(peer: Incumbent, at: int) -> None:
    """As their test: bytes written over in the PEM file itself."""
    peer.set_up()
    pem = bytearray(peer.voucher(peer.device()).encode())
    pem[at : at + 10] = b"\xff" * 10
    url = f"{peer.url(OWNER)}/api/v1/owner/vouchers"
    key = {"X-API-Key": peer.keys[OWNER]}
    assert peer.http.post(url, content=bytes(pem), headers=key).status_code == 400


@pytest.mark.parametrize("guid", ["zz", "0" * 31, "0" * 33, "0" * 16 + "-" * 16])
def test_a_guid_that_is_none_is_400(peer: Incumbent, guid: str) -> None:
    for role, path in (
        (FACTORY, f"/api/v1/vouchers/{guid}"),
        (FACTORY, f"/api/v1/vouchers?guid={guid}"),
        (OWNER, f"{VOUCHERS}/{guid}"),
        (OWNER, f"{VOUCHERS}?guid={guid}"),
        (OWNER, f"/api/v1/owner/devices?old_guid={guid}"),
    ):
        assert peer.ask(role, "GET", path).status_code == 400
    for role, path in ((FACTORY, "/api/v1/vouchers"), (OWNER, VOUCHERS)):
        absent = peer.ask(role, "GET", f"{path}/{'00' * 16}")
        assert (absent.status_code, absent.text) == (404, "Voucher not found\n")


def test_without_an_api_key_nothing_is_told(peer: Incumbent) -> None:
    bare = {"X-API-Key": ""}
    for role, path in ((FACTORY, RVINFO), (OWNER, REDIRECT), (OWNER, VOUCHERS)):
        assert peer.ask(role, "GET", path, headers=bare).status_code == 401
        wrong = {"X-API-Key": "vg_00_00"}
        assert peer.ask(role, "GET", path, headers=wrong).status_code == 401


def test_a_key_may_do_there_what_it_may_do_here(peer: Incumbent) -> None:
    settings = peer.site.settings(RENDEZVOUS)
    operator = {"X-API-Key": peer.site.api_key(settings, apikeys.Role.OPERATOR)}
    path = "/api/v1/device-ca"
    assert peer.ask(RENDEZVOUS, "GET", path, headers=operator).status_code == 200
    refused = peer.ask(RENDEZVOUS, "POST", path, peer.device_ca(), headers=operator)
    assert refused.status_code == 403
    assert "security" in refused.json()["message"]


def test_each_port_has_its_own_paths_and_the_host_header_chooses_none(
    peer: Incumbent,
) -> None:
    own, other = peer.running[OWNER].url, peer.url(OWNER)
    key = {"X-API-Key": peer.keys[OWNER]}
    assert peer.http.get(f"{own}{REDIRECT}", headers=key).status_code == 404
    assert peer.http.get(f"{other}/api/v1/events", headers=key).status_code == 404
    assert peer.http.get(f"{other}/readyz").status_code == 404
    lying = {**key, "Host": other.removeprefix("http://")}
    assert peer.http.get(f"{own}{REDIRECT}", headers=lying).status_code == 404


def test_paths_of_another_role_are_not_there(peer: Incumbent) -> None:
    assert peer.ask(OWNER, "GET", "/api/v1/vouchers").status_code == 404
    assert peer.ask(FACTORY, "GET", REDIRECT).status_code == 404
    assert peer.ask(RENDEZVOUS, "GET", RVINFO).status_code == 404


def test_open_paths_are_on_the_audit_log_as_what_they_are(tmp_path: Path) -> None:
    for peer in incumbent(tmp_path, insecure_compat_open=True):
        bare = {"X-API-Key": ""}
        said = json.dumps(peer.rv_info())
        assert peer.ask(FACTORY, "POST", RVINFO, said, headers=bare).status_code == 201
        factory, key = peer.running[FACTORY], peer.keys[FACTORY]
        (event,) = factory.call(key, "GET", "/events?cause=setting").json()["items"]
        assert event["actor"] == "apikey:insecure_compat_open"
        assert factory.call(None, "GET", "/rvinfo").status_code == 401


def test_one_process_of_all_roles_has_all_paths(tmp_path: Path) -> None:
    site = Site(tmp_path)
    ports = tmp_path / "compat.port"
    settings = site.settings(
        Role.ALL,
        compat=Compat.GO_FDO_SERVER,
        compat_port=0,
        compat_port_file=ports,
        background=False,
    )
    key = {"X-API-Key": site.api_key(settings, apikeys.Role.ADMIN)}
    with site.serve(settings) as running:
        assert running.compat_url.endswith(f":{ports.read_text().strip()}")
        for path in (
            "/api/v1/vouchers",
            "/api/v1/owner/vouchers",
            "/api/v1/owner/devices",
            "/api/v1/device-ca",
        ):
            reply = running.http.get(f"{running.compat_url}{path}", headers=key)
            assert reply.status_code == 200
