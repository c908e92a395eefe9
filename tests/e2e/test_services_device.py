"""The device API over real HTTP: what it takes, and what it makes of the rest."""

import secrets
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from attestation.device_auth import DeviceRequest, Purpose, sign_request
from onboarding.services.key_store import KeyKind
from onboarding.services.settings import Role
from onboarding.store import apikeys
from ownership_vouchers import cbor
from tests.support.databases import NewDatabase
from tests.support.services import Running, Site, Wire
from tests.support.soft_device import SoftDevice

PURPOSES = {
    "attest/challenge": Purpose.ATTEST,
    "attest": Purpose.ATTEST,
    "attest/log": Purpose.ATTEST,
    "enrol": Purpose.ENROL,
    "enrol/proof": Purpose.ENROL,
    "keylime/session": Purpose.KEYLIME,
    "workload": Purpose.WORKLOAD,
    "report": Purpose.REPORT,
}


@dataclass
class Owned:
    """A service and a device that it owns, without a TPM."""

    service: Running
    device: SoftDevice
    key: str

    def ask(self, path: str, body: bytes = b"\xa0") -> httpx.Response:
        """Make a signed request as the device."""
        guid = self.device.credential.guid
        made = self.service.http.post("/device/v1/challenge", json={"guid": str(guid)})
        text = made.json()["challenge"]
        challenge = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        request = DeviceRequest(challenge, guid, PURPOSES[path], body)
        return self.post(path, sign_request(request, self.device.key))

    def post(self, path: str, data: bytes) -> httpx.Response:
        headers = {"Content-Type": "application/cose"}
        return self.service.http.post(
            f"/device/v1/{path}", content=data, headers=headers
        )


@pytest.fixture(scope="module")
def owned(
    tmp_path_factory: pytest.TempPathFactory, databases: NewDatabase
) -> Iterator[Owned]:
    site = Site(tmp_path_factory.mktemp("device"), databases=databases)
    settings = site.settings(Role.ALL, background=False)
    key = site.api_key(settings, apikeys.Role.ADMIN)
    with site.serve(settings) as service:
        directive = {"ip": "127.0.0.1", "device_port": 1, "protocol": "http"}
        service.call(key, "PUT", "/rvinfo", json={"directives": [directive]})
        device = SoftDevice.made_at(Wire.to(service.url))
        buyer = {"next_owner_pem": site.keys[KeyKind.OWNER].public_pem}
        path = f"/vouchers/{device.credential.guid}/extend"
        service.call(key, "POST", path, json=buyer)
        device.onboard(Wire.to(service.url))
        yield Owned(service, device, key)


def code(reply: httpx.Response) -> tuple[int, str]:
    assert reply.headers["content-type"] == "application/problem+json"
    return reply.status_code, reply.json()["code"]


WITHOUT_TPM = {
    "attest/challenge": (409, "not-bound"),
    "attest": (409, "not-bound"),
    "attest/log": (409, "not-bound"),
    "enrol": (409, "not-bound"),
    "enrol/proof": (409, "not-bound"),
    "keylime/session": (503, "keylime-not-configured"),
    "workload": (403, "release-denied"),
    "report": (422, "malformed"),
}


@pytest.mark.parametrize("path", list(PURPOSES))
def test_a_device_without_a_tpm_is_told_why_it_gets_nothing(
    owned: Owned, path: str
) -> None:
    reply = owned.ask(path)
    assert code(reply) == WITHOUT_TPM[path]
    assert reply.json()["detail"]


def test_a_denial_lists_every_reason_with_its_remedy(owned: Owned) -> None:
    document = owned.ask("workload").json()
    codes = {one["code"] for one in document["reasons"]}
    assert {"ek-not-judged", "not-bound", "never-appraised"} <= codes
    assert all(one["sentence"] and one["remedy"] for one in document["reasons"])
    path = f"/decisions?guid={document['guid']}"
    listed = owned.service.call(owned.key, "GET", path).json()["items"]
    (stored,) = [one for one in listed if one["id"] == document["decision"]]
    assert stored["record"]["decision"]["allow"] is False


@pytest.mark.parametrize("path", list(PURPOSES))
def test_no_bytes_are_a_fault_of_ours(owned: Owned, path: str) -> None:
    for data in (b"", b"\xff", b"\xa0", b"\x81" * 9000, secrets.token_bytes(500)):
        assert owned.post(path, data).status_code == 401
    for body in (b"\xff", b"\x80", b"\x81" * 9000, cbor.encode({"ticket": b""})):
        assert 400 <= owned.ask(path, body).status_code <= 503
        assert owned.ask(path, body).status_code != 500


def test_a_body_that_is_too_large_is_not_read_to_its_end(owned: Owned) -> None:
    reply = owned.post("workload", b"x" * (1024 * 1024 + 1))
    assert code(reply) == (413, "body-too-large")


def test_a_challenge_is_given_to_anyone_and_tells_nothing(owned: Owned) -> None:
    known = {"guid": str(owned.device.credential.guid)}
    for body in (known, {"guid": "0" * 32}):
        reply = owned.service.http.post("/device/v1/challenge", json=body)
        assert reply.status_code == 200
        assert set(reply.json()) == {"challenge", "expires"}
    for wrong in (b"{}", b'{"guid": "x"}', b'{"guid": 1}', b"[]", b""):
        reply = owned.service.http.post("/device/v1/challenge", content=wrong)
        assert reply.status_code == 422


@pytest.mark.parametrize("session", [None, "", "x", "A" * 400, "ü", "a" * 10_000])
def test_keylime_is_out_of_reach_without_a_session(
    owned: Owned, session: str | None
) -> None:
    headers = [] if session is None else [(b"Vouchgate-Session", session.encode())]
    for path in ("v3.0/sessions", "v2.6/agents/", "", "../workload", "version"):
        reply = owned.service.http.post(
            f"/device/v1/keylime/{path}", headers=headers, content=b"{}"
        )
        assert reply.status_code in (401, 404), path


def test_a_device_is_known_by_its_new_name_only(owned: Owned, tmp_path: Path) -> None:
    guid = owned.device.credential.guid
    shown = owned.service.call(owned.key, "GET", f"/devices/{guid}").json()
    before = shown["previous_guid"]
    again = owned.service.call(owned.key, "GET", f"/devices/{before}").json()
    assert again["guid"] == str(guid)
    challenge = cbor.encode({"guid": before})
    assert owned.post("workload", challenge).status_code == 401
