"""The factory over real HTTP: lines, stations, serial numbers, chains, lost answers."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hw.keys import SoftHmac, new_soft_key
from onboarding.device.http import FdoChannel, new_client
from onboarding.protocol.di_device import DiDevice
from onboarding.protocol.step import Send
from onboarding.services.key_material import KeyAlgorithm
from onboarding.services.key_store import KeyKind, KeyStore
from onboarding.services.settings import Role
from onboarding.store import apikeys
from onboarding.wire.di import AppStart, SetHmac
from onboarding.wire.error import ErrorMessage
from onboarding.wire.message import MsgType
from onboarding.wire.mfg_info import NamedDevice
from ownership_vouchers.header import Header
from ownership_vouchers.types import Hash, HashType
from tests.support.authorities import MIDDLE, ROOT, pem
from tests.support.databases import NewDatabase
from tests.support.fdo_chain import Chain, eventually, joined, state_of
from tests.support.services import PASSPHRASE, Site, Wire
from tests.support.soft_device import SoftDevice
from tests.support.works import Works, at, refused

ELSEWHERE = [{"dns": "rv.line.example", "device_port": 80, "protocol": "http"}]
SPECIAL = [{"dns": "rv.model.example", "device_port": 80, "protocol": "http"}]


@pytest.fixture(scope="module")
def works(
    tmp_path_factory: pytest.TempPathFactory, databases: NewDatabase
) -> Iterator[Works]:
    site = Site(tmp_path_factory.mktemp("works"), own_keys=True, databases=databases)
    settings = site.settings(Role.MANUFACTURING)
    key = site.api_key(settings, apikeys.Role.MANUFACTURER)
    with site.serve(settings) as service:
        found = Works(site, service, key, settings)
        rv = [{"dns": "rv.example", "device_port": 80, "protocol": "http"}]
        found.call("PUT", "/rvinfo", json={"directives": rv})
        yield found


def test_a_station_makes_devices_on_its_line(works: Works) -> None:
    models = [{"model": "test-*", "directives": SPECIAL}]
    url = works.line("keyed", directives=ELSEWHERE, models=models)
    device = SoftDevice.made_at(at(url, works.hire("keyed")), "KEYED-1")
    (made,) = works.made("KEYED-1")
    assert (made["line"], made["station"]) == ("keyed", "bench 1")
    shown = works.voucher(device)["voucher"]
    assert "rv.model.example" in str(shown)


def test_whoever_shows_no_key_makes_nothing_there(works: Works) -> None:
    url = works.line("closed")
    other = works.hire("closed")
    works.line("another")
    for wire in (
        Wire.to(url),
        at(url, "vgl_00_wrong"),
        at(f"{works.service.url}/line/another", other),
        at(f"{works.service.url}/line/no-such-line", other),
    ):
        assert refused(wire) == 1
    assert works.made("SN-0") == []


def test_a_dismissed_station_makes_nothing_any_more(works: Works) -> None:
    url = works.line("short")
    key = works.hire("short")
    SoftDevice.made_at(at(url, key), "SHORT-1")
    (station,) = works.call("GET", "/lines/short").json()["stations"]
    path = f"/lines/short/stations/{station['id']}"
    assert works.call("DELETE", path).status_code == 204
    assert refused(at(url, key), "SHORT-2") == 1


def test_our_device_shows_the_key_of_its_station(works: Works) -> None:
    url = works.line("ours")
    key = works.hire("ours", "bench 7")
    with new_client() as client:
        channel = FdoChannel(client, url, line_key=key)
        role = DiDevice(SoftDevice.di_env("OURS-1"))
        move: Any = role.start()
        while isinstance(move, Send):
            move = role.receive(*channel.exchange(move.type, move.body))
    (made,) = works.made("OURS-1")
    assert made["station"] == "bench 7"


def test_a_line_takes_nothing_from_other_addresses(works: Works) -> None:
    there = works.line("there", require_key=False, networks=["127.0.0.0/8"])
    SoftDevice.made_at(Wire.to(there), "THERE-1")
    elsewhere = works.line("elsewhere", require_key=False, networks=["192.0.2.0/24"])
    assert refused(Wire.to(elsewhere)) == 1


def test_a_line_takes_the_messages_of_di_and_no_others(works: Works) -> None:
    url = works.line("only-di", require_key=False)
    for number in (20, 30, 60, 13, 62):
        reply = Wire.to(url).post(number, b"\x80")
        assert int(ErrorMessage.from_cbor(reply.content).code) == 101
    assert Wire.to(f"{url}/x").post(10, b"\x80").status_code == 404


def test_a_service_of_one_line_is_that_line_at_its_root(works: Works) -> None:
    works.line("port", require_key=False)
    settings = works.settings.model_copy(update={"di_line": "port"})
    with works.site.serve(settings) as service:
        SoftDevice.made_at(Wire.to(service.url), "PORT-1")
    (made,) = works.made("PORT-1")
    assert made["line"] == "port"


def test_a_line_has_a_device_ca_and_a_manufacturer_key_of_its_own(
    works: Works,
) -> None:
    assert works.call("PUT", "/lines/x", json={"device_ca": "gone"}).status_code == 409
    ca, maker = works.site.keys[KeyKind.DEVICE_CA], KeyKind.MANUFACTURER
    named = {"device_ca": ca.name, "manufacturer_key": works.site.keys[maker].name}
    url = works.line("own-keys", require_key=False, **named)
    device = SoftDevice.made_at(Wire.to(url), "OWN-1")
    assert works.voucher(device)["owner_fingerprint"] == (
        works.site.keys[maker].fingerprint
    )


def test_a_lost_answer_to_the_last_message_is_given_again(works: Works) -> None:
    wire = Wire.to(works.service.url)
    device = SoftDevice.made_at(wire, "LOST-1")
    number, body = wire.sent[-1]
    again = wire.post(number, body, wire.token)
    assert (again.status_code, again.headers["message-type"]) == (200, "13")
    assert [one["guid"] for one in works.made("LOST-1")] == [
        str(device.credential.guid)
    ]
    other = SetHmac(Hash(HashType.HMAC_SHA256, bytes(32))).encode()
    refusal = wire.post(number, other, wire.token)
    assert int(ErrorMessage.from_cbor(refusal.content).code) == 101
    assert works.voucher(device)["entries"] == 0


def test_a_device_that_begins_again_leaves_one_voucher(works: Works) -> None:
    key = new_soft_key("P-256")
    first = SoftDevice.made_at(Wire.to(works.service.url), "AGAIN-1", key=key)
    second = SoftDevice.made_at(Wire.to(works.service.url), "AGAIN-1", key=key)
    listed = works.call("GET", "/vouchers", params={"serial": "AGAIN-1"}).json()
    guids = [one["guid"] for one in listed["items"]]
    assert guids == [str(second.credential.guid)]
    asked = {"guid": str(first.credential.guid)}
    told = works.call("GET", "/diagnosis", params=asked).json()
    assert told["why"] == "made-anew"
    assert str(second.credential.guid) in told["next"]


def test_two_devices_of_one_serial_number_are_told_of_until_settled(
    works: Works,
) -> None:
    first, second = (
        SoftDevice.made_at(Wire.to(works.service.url), "TWICE-1") for _ in range(2)
    )
    alarms = works.call("GET", "/made", params={"alarms": "true"}).json()["items"]
    mine = [one for one in alarms if one["serial"] == "TWICE-1"]
    assert [(one["guid"], one["alarm"]) for one in mine] == [
        (str(second.credential.guid), "another-key")
    ]
    for device, other in ((first, second), (second, first)):
        asked = {"guid": str(device.credential.guid)}
        told = works.call("GET", "/diagnosis", params=asked).json()
        assert told["why"] == "same-serial"
        assert told["same_serial"] == [str(other.credential.guid)]
    body = {"serial": "TWICE-1"}
    assert works.call("POST", "/made/settle", json=body).json()["settled"] == 2
    told = works.call("GET", "/diagnosis", params=asked).json()
    assert told["why"] == "made"


def test_the_metrics_count_what_needs_a_look(works: Works) -> None:
    text = works.service.http.get("/metrics").text
    assert "vouchgate_serial_alarms " in text


def test_a_line_that_refuses_a_taken_serial_does_so_at_once(works: Works) -> None:
    url = works.line("strict", require_key=False, same_serial="refuse")
    SoftDevice.made_at(Wire.to(url), "STRICT-1")
    wire = Wire.to(url)
    assert refused(wire, "STRICT-1") == 101
    assert [kind for kind, _ in wire.sent] == [10]
    assert len(works.made("STRICT-1")) == 1


def test_of_two_runs_at_once_a_strict_line_finishes_one(works: Works) -> None:
    url = works.line("racing", require_key=False, same_serial="refuse")
    wires = [Wire.to(url), Wire.to(url)]
    roles = [DiDevice(SoftDevice.di_env("RACE-1")) for _ in wires]
    tokens, moves = [], []
    for wire, role in zip(wires, roles, strict=True):
        move = role.start()
        reply = wire.post(move.type, move.body)
        tokens.append(reply.headers["Authorization"])
        moves.append(role.receive(MsgType.DI_SET_CREDENTIALS, reply.content))
    codes = [
        wire.post(move.type, move.body, token).status_code
        for wire, move, token in zip(wires, moves, tokens, strict=True)
        if isinstance(move, Send)
    ]
    assert codes == [200, 500]
    assert len(works.made("RACE-1")) == 1


def test_a_device_that_sends_only_its_name_is_made_once(works: Works) -> None:
    name = "00:1a:2b:3c:4d:5f"
    private = ec.generate_private_key(ec.SECP256R1())
    text = private.public_key().public_bytes(
        Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
    )
    start = AppStart(NamedDevice(name)).encode()
    wire = Wire.to(works.service.url)
    assert wire.post(10, start).status_code == 500
    devices = {"devices": [{"name": name, "pem": text.decode()}]}
    assert works.call("POST", "/device-keys", json=devices).status_code == 201
    reply = wire.post(10, start)
    header = Header.from_cbor(reply.content)
    hmac = Hash(HashType.HMAC_SHA256, SoftHmac(bytes(32)).mac(header.raw))
    token = reply.headers["Authorization"]
    body = SetHmac(hmac).encode()
    assert wire.post(12, body, token).headers["message-type"] == "13"
    assert wire.post(12, body, token).headers["message-type"] == "13"
    assert wire.post(10, start).status_code == 500
    (key,) = works.call("GET", "/device-keys").json()["items"]
    assert key["used_by"] == str(header.guid)


def test_a_device_under_a_chain_of_authorities_goes_to_its_owner(
    tmp_path: Path, databases: NewDatabase
) -> None:
    for chain in joined(tmp_path, KeyAlgorithm.P256, databases=databases):
        _put_chain(chain)
        eventually(lambda: _length(chain) == 3)  # noqa: B023
        device = chain.bought()
        path = f"/vouchers/{device.credential.guid}"
        shown = chain.factory.call(chain.factory_key, "GET", path).json()
        assert len(shown["voucher"]["device_certificates"]) == 3
        eventually(lambda: state_of(chain, device) == "registered")  # noqa: B023
        to1d = Wire.to(chain.rendezvous.url).run(device.to1())
        device.onboard(Wire.to(chain.owner.url), to1d=to1d)
        assert state_of(chain, device) == "owned"


def _length(chain: Chain) -> int:
    """How many certificates a device gets: the service looks once a second."""
    device = SoftDevice.made_at(Wire.to(chain.factory.url), "LENGTH")
    path = f"/vouchers/{device.credential.guid}"
    shown = chain.factory.call(chain.factory_key, "GET", path).json()
    return len(shown["voucher"]["device_certificates"])


def _put_chain(chain: Chain) -> None:
    """Put the factory's CA under another, whose root is all that others trust."""
    name = chain.site.keys[KeyKind.DEVICE_CA].name
    store = KeyStore(chain.site.directory / "keys", PASSPHRASE)
    key = store.private_key(name).public_key()
    ours = MIDDLE.issue(key, "device ca of the factory", length=0)
    text = pem(ours, MIDDLE.certificate).decode()
    reply = chain.factory.call(
        chain.factory_key, "PUT", f"/device-ca/{name}/chain", json={"chain_pem": text}
    )
    assert reply.json() == {"name": name, "certificates": 2}, reply.text
    handed_out = chain.factory.call(chain.factory_key, "GET", "/device-ca").text
    assert handed_out == pem(MIDDLE.certificate).decode()
    root = {"device_cas_pem": pem(ROOT.certificate).decode(), "manufacturers": []}
    for service, api_key in (
        (chain.rendezvous, chain.rendezvous_key),
        (chain.owner, chain.owner_key),
    ):
        assert service.call(api_key, "PUT", "/trust", json=root).status_code == 200
