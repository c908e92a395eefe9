"""FDO over real HTTP: from the factory to a device of ours."""

import hashlib
from pathlib import Path

import httpx
import pytest

from attestation.evidence_pack import unverified_pack
from attestation.pack_checks import Outcome, PackChecker, owner_keys
from onboarding.protocol.errors import PeerFailed
from onboarding.services.key_material import KeyAlgorithm
from onboarding.services.key_store import KeyKind
from onboarding.services.settings import Role
from onboarding.store import apikeys
from onboarding.wire.message import MsgType
from tests.support.databases import NewDatabase
from tests.support.fdo_chain import Chain, eventually, joined, state_of
from tests.support.services import Running, Site, Wire
from tests.support.soft_device import SoftDevice

pytest_plugins = ["tests.support.service_fixtures"]


def test_a_device_goes_from_the_factory_to_its_owner(fdo_chain: Chain) -> None:
    device = SoftDevice.made_at(Wire.to(fdo_chain.factory.url), "SN-77")
    before = device.credential.guid
    reply = fdo_chain.take(fdo_chain.sell(device)).json()
    assert (reply["imported"], reply["results"][0]["status"]) == (1, "imported")

    eventually(lambda: state_of(fdo_chain, device) == "registered")
    to1d = Wire.to(fdo_chain.rendezvous.url).run(device.to1())
    device.onboard(Wire.to(fdo_chain.owner.url), to1d=to1d)

    assert device.credential.guid != before
    assert state_of(fdo_chain, device) == "owned"
    path = f"/devices/{before}/timeline"
    events = fdo_chain.owner.call(fdo_chain.owner_key, "GET", path).json()["items"]
    causes = [one["cause"] for one in events]
    assert causes == [
        "voucher.stored",
        "device.registered",
        "ownership.taken",
        "binding.absent",
    ]


class Recording(Wire):
    """What passed on the line, message and reply."""

    passed: list[tuple[int, bytes, bytes]]

    def post(self, kind: int, body: bytes, token: str | None = None) -> httpx.Response:
        reply = super().post(kind, body, token)
        self.passed = [*getattr(self, "passed", []), (kind, body, reply.content)]
        return reply


def test_an_evidence_pack_names_the_digest_of_what_was_said_in_to2(
    fdo_chain: Chain,
) -> None:
    """Whoever recorded the run can compute it, as the guide for security says."""
    device = fdo_chain.bought()
    wire = Recording.to(fdo_chain.owner.url)
    device.onboard(wire)
    digest = bytes(32)
    for kind, request, reply in wire.passed:
        if kind != MsgType.TO2_GET_OV_NEXT_ENTRY:
            length = len(request).to_bytes(4, "big")
            digest = hashlib.sha256(digest + length + request + reply).digest()
    assert [one[0] for one in wire.passed][-1] == MsgType.TO2_DONE
    path = f"/devices/{device.credential.guid}/evidence-pack"
    made = fdo_chain.owner.call(fdo_chain.owner_key, "GET", path)
    assert made.status_code == 200, made.text
    pack = unverified_pack(made.content)
    found = {one.name: one for one in PackChecker(pack, owner_keys(pack)).run()}
    assert found["events"].outcome is Outcome.HOLDS
    assert found["transcripts"].detail == f"1 of TO2, the last {digest.hex()}"


def test_a_device_is_onboarded_again_once_its_voucher_is_its_owners_anew(
    tmp_path: Path, databases: NewDatabase
) -> None:
    for chain in joined(tmp_path, KeyAlgorithm.P256, databases=databases):
        device = chain.bought()
        device.onboard(Wire.to(chain.owner.url))
        first = device.credential.guid
        ours = chain.site.keys[KeyKind.OWNER]
        # The voucher that TO2 left behind was made by this owner.
        trust = {"manufacturers": [ours.fingerprint]}
        chain.rendezvous.call(chain.rendezvous_key, "PUT", "/trust", json=trust)
        path, buyer = f"/vouchers/{first}/extend", {"next_owner_pem": ours.public_pem}
        chain.owner.call(chain.owner_key, "POST", path, json=buyer)
        assert state_of(chain, device) == "owned"  # and works on, until then

        eventually(lambda: to0_states(chain).get(str(first)) == "registered")  # noqa: B023
        to1d = Wire.to(chain.rendezvous.url).run(device.to1())
        device.onboard(Wire.to(chain.owner.url), to1d=to1d)
        assert device.credential.guid != first
        assert state_of(chain, device) == "owned"


def to0_states(chain: Chain) -> dict[str, str]:
    listed = chain.owner.call(chain.owner_key, "GET", "/to0").json()["items"]
    return {one["guid"]: one["state"] for one in listed}


def test_a_device_of_the_stronger_curve_goes_the_same_way(
    tmp_path: Path, databases: NewDatabase
) -> None:
    for chain in joined(tmp_path, KeyAlgorithm.P384, databases=databases):
        device = SoftDevice.made_at(Wire.to(chain.factory.url), curve="P-384")
        chain.take(chain.sell(device))
        eventually(lambda: state_of(chain, device) == "registered")  # noqa: B023
        to1d = Wire.to(chain.rendezvous.url).run(device.to1())
        device.onboard(Wire.to(chain.owner.url), to1d=to1d)
        assert state_of(chain, device) == "owned"


def test_any_replica_may_serve_any_message_on_the_whole_way(
    tmp_path: Path, databases: NewDatabase
) -> None:
    for chain in joined(tmp_path, KeyAlgorithm.P256, databases=databases):
        device = SoftDevice.made_at(Wire.to(chain.factory.url))
        chain.take(chain.sell(device))
        eventually(lambda: state_of(chain, device) == "registered")  # noqa: B023
        to1d = Wire.to(chain.rendezvous.url).run(device.to1())
        other = chain.replica()
        device.onboard(Wire.to(chain.owner.url, other.url), to1d=to1d)
        assert state_of(chain, device) == "owned"


def test_an_untrusted_maker_is_not_registered_and_the_owner_is_told(
    fdo_chain: Chain, tmp_path: Path, databases: NewDatabase
) -> None:
    stranger = Site(tmp_path, own_keys=True, databases=databases)
    settings = stranger.settings(Role.MANUFACTURING)
    key = stranger.api_key(settings, apikeys.Role.ADMIN)
    with stranger.serve(settings) as factory:
        rv = fdo_chain.factory.call(fdo_chain.factory_key, "GET", "/rvinfo").json()
        body = {"directives": rv["directives"]}
        factory.call(key, "PUT", "/rvinfo", json=body)
        device = SoftDevice.made_at(Wire.to(factory.url))
        buyer = {"next_owner_pem": fdo_chain.site.keys[KeyKind.OWNER].public_pem}
        path = f"/vouchers/{device.credential.guid}/extend"
        pem = factory.call(key, "POST", path, json=buyer).json()["pem"]
    assert fdo_chain.take(pem).status_code == 200

    def told() -> bool:
        items = fdo_chain.owner.call(fdo_chain.owner_key, "GET", "/to0").json()["items"]
        mine = [one for one in items if one["guid"] == str(device.credential.guid)]
        errors = [server["error"] for one in mine for server in one["servers"]]
        return any("error 2" in error for error in errors)

    eventually(told)
    assert state_of(fdo_chain, device) == "imported"


def test_all_roles_serve_from_one_process(
    tmp_path: Path, databases: NewDatabase
) -> None:
    site = Site(tmp_path, databases=databases)
    settings = site.settings(Role.ALL)
    key = site.api_key(settings, apikeys.Role.ADMIN)
    with site.serve(settings) as service:
        port = httpx.URL(service.url).port
        directive = {"ip": "127.0.0.1", "device_port": port, "owner_port": port}
        directive["protocol"] = "http"
        maker = site.keys[KeyKind.MANUFACTURER].fingerprint
        address = {"ip": "127.0.0.1", "port": port, "protocol": "http"}
        bodies = {
            "/rvinfo": {"directives": [directive]},
            "/to2-address": {"addresses": [address]},
            "/trust": {"manufacturers": [maker]},
        }
        for path, body in bodies.items():
            assert service.call(key, "PUT", path, json=body).status_code == 200
        device = SoftDevice.made_at(Wire.to(service.url))
        buyer = {"next_owner_pem": site.keys[KeyKind.OWNER].public_pem}
        guid = device.credential.guid
        pem = service.call(key, "POST", f"/vouchers/{guid}/extend", json=buyer)
        taken = service.call(key, "POST", "/vouchers", content=pem.json()["pem"])
        assert taken.json()["unchanged"] == 1
        service.call(key, "POST", f"/to0/{guid}")
        eventually(lambda: _registered(service, key, str(guid)))
        to1d = Wire.to(service.url).run(device.to1())
        device.onboard(Wire.to(service.url), to1d=to1d)
        shown = service.call(key, "GET", f"/devices/{device.credential.guid}").json()
        assert shown["state"] == "owned"


def _registered(service: Running, key: str, guid: str) -> bool:
    shown = service.call(key, "GET", f"/devices/{guid}").json()
    return bool(shown["state"] == "registered")


def test_a_device_that_nobody_sold_us_is_unknown(fdo_chain: Chain) -> None:
    device = SoftDevice.made_at(Wire.to(fdo_chain.factory.url))
    with pytest.raises(PeerFailed) as refused:
        device.onboard(Wire.to(fdo_chain.owner.url))
    assert int(refused.value.message.code) == 6


def test_the_rendezvous_server_does_not_know_who_was_not_registered(
    fdo_chain: Chain,
) -> None:
    device = SoftDevice.made_at(Wire.to(fdo_chain.factory.url))
    with pytest.raises(PeerFailed) as refused:
        Wire.to(fdo_chain.rendezvous.url).run(device.to1())
    assert int(refused.value.message.code) == 6


def test_a_lost_last_answer_locks_nobody_out(fdo_chain: Chain) -> None:
    device = fdo_chain.bought()
    before = device.credential
    device.onboard(Wire.to(fdo_chain.owner.url))
    device.credential = before  # 71 never arrived
    device.onboard(Wire.to(fdo_chain.owner.url))
    assert state_of(fdo_chain, device) == "owned"
