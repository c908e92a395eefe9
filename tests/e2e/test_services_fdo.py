"""FDO over real HTTP: from the factory to a device of ours, at any replica."""

import base64
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from hw.public_area import UNEXPORTABLE, TpmaObject
from onboarding.protocol.errors import PeerFailed
from onboarding.protocol.step import Send
from onboarding.services.api.fields import encode_bytes
from onboarding.services.key_material import KeyAlgorithm
from onboarding.services.key_store import KeyKind
from onboarding.services.passport_pem import dump
from onboarding.services.settings import Role, Settings
from onboarding.services.transport import MAX_BODY
from onboarding.store import apikeys
from onboarding.store.database import Database
from onboarding.store.runs import RunStore
from onboarding.wire.error import ErrorMessage
from onboarding.wire.message import MsgType
from onboarding.wire.to2 import HelloDevice
from tests.support.postgres import PrivatePostgres
from tests.support.services import Running, Site, Wire
from tests.support.soft_device import SoftDevice
from tests.support.tpm_statements import AES128, NULL, ecc_public

EK_ATTRIBUTES = int(UNEXPORTABLE | TpmaObject.RESTRICTED | TpmaObject.DECRYPT)


@dataclass
class Chain:
    """Factory, rendezvous and owner, and a key of every role for each."""

    site: Site
    factory: Running
    rendezvous: Running
    owner: Running
    owner_settings: Settings
    factory_key: str
    rendezvous_key: str
    owner_key: str
    more: ExitStack = field(repr=False)

    def sell(self, device: SoftDevice) -> str:
        """Extend a device's voucher to the owner; return it as PEM."""
        buyer = {"next_owner_pem": self.site.keys[KeyKind.OWNER].public_pem}
        path = f"/vouchers/{device.credential.guid}/extend"
        reply = self.factory.call(self.factory_key, "POST", path, json=buyer)
        assert reply.status_code == 200, reply.text
        return str(reply.json()["pem"])

    def take(self, pem: str) -> httpx.Response:
        """Import a voucher as the owner."""
        return self.owner.call(self.owner_key, "POST", "/vouchers", content=pem)

    def bought(self) -> SoftDevice:
        """A device made, sold and imported: ready for TO2."""
        device = SoftDevice.made_at(Wire.to(self.factory.url))
        assert self.take(self.sell(device)).status_code == 200
        return device

    def replica(self) -> Running:
        """Another owner over the same database."""
        quiet = self.owner_settings.model_copy(update={"background": False})
        return self.more.enter_context(self.site.serve(quiet))


@pytest.fixture(scope="module", params=[KeyAlgorithm.P256])
def chain(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Chain]:
    yield from joined(tmp_path_factory.mktemp("chain"), request.param)


def joined(
    directory: Path,
    algorithm: KeyAlgorithm,
    databases: Mapping[Role, str] | None = None,
) -> Iterator[Chain]:
    site = Site(directory, algorithm)
    named = {role: {"database_url": url} for role, url in (databases or {}).items()}
    owner_settings = site.settings(Role.OWNER, **named.get(Role.OWNER, {}))
    with ExitStack() as stack:

        def start(role: Role) -> tuple[Running, str]:
            settings = site.settings(role, **named.get(role, {}))
            key = site.api_key(settings, apikeys.Role.ADMIN)
            return stack.enter_context(site.serve(settings)), key

        factory, factory_key = start(Role.MANUFACTURING)
        rendezvous, rendezvous_key = start(Role.RENDEZVOUS)
        owner, owner_key = start(Role.OWNER)
        chain = Chain(
            site,
            factory,
            rendezvous,
            owner,
            owner_settings,
            factory_key,
            rendezvous_key,
            owner_key,
            stack,
        )
        _prepare(chain)
        yield chain


def _prepare(chain: Chain) -> None:
    rv, owner = httpx.URL(chain.rendezvous.url), httpx.URL(chain.owner.url)
    directive = {
        "ip": rv.host,
        "device_port": rv.port,
        "owner_port": rv.port,
        "protocol": "http",
    }
    address = {"ip": owner.host, "port": owner.port, "protocol": "http"}
    maker = chain.site.keys[KeyKind.MANUFACTURER].fingerprint
    factory_ca = chain.factory.call(chain.factory_key, "GET", "/device-ca").text
    for reply in (
        chain.factory.call(
            chain.factory_key, "PUT", "/rvinfo", json={"directives": [directive]}
        ),
        chain.owner.call(
            chain.owner_key, "PUT", "/to2-address", json={"addresses": [address]}
        ),
        chain.rendezvous.call(
            chain.rendezvous_key,
            "PUT",
            "/trust",
            json={"manufacturers": [maker], "device_cas_pem": factory_ca},
        ),
    ):
        assert reply.status_code == 200, reply.text


def eventually(check: Callable[[], bool]) -> None:
    """Wait for what a background task will do."""
    for _ in range(400):
        if check():
            return
        time.sleep(0.05)
    raise AssertionError("it never came to pass")


def state_of(chain: Chain, device: SoftDevice) -> str:
    path = f"/devices/{device.credential.guid}"
    return str(chain.owner.call(chain.owner_key, "GET", path).json()["state"])


def test_a_device_goes_from_the_factory_to_its_owner(chain: Chain) -> None:
    device = SoftDevice.made_at(Wire.to(chain.factory.url), "SN-77")
    before = device.credential.guid
    reply = chain.take(chain.sell(device)).json()
    assert (reply["imported"], reply["results"][0]["status"]) == (1, "imported")

    eventually(lambda: state_of(chain, device) == "registered")
    to1d = Wire.to(chain.rendezvous.url).run(device.to1())
    device.onboard(Wire.to(chain.owner.url), to1d=to1d)

    assert device.credential.guid != before
    assert state_of(chain, device) == "owned"
    path = f"/devices/{before}/timeline"
    events = chain.owner.call(chain.owner_key, "GET", path).json()["items"]
    causes = [one["cause"] for one in events]
    assert causes == [
        "voucher.stored",
        "device.registered",
        "ownership.taken",
        "binding.absent",
    ]


def test_a_device_of_the_stronger_curve_goes_the_same_way(tmp_path: Path) -> None:
    for chain in joined(tmp_path, KeyAlgorithm.P384):
        device = SoftDevice.made_at(Wire.to(chain.factory.url), curve="P-384")
        chain.take(chain.sell(device))
        eventually(lambda: state_of(chain, device) == "registered")  # noqa: B023
        to1d = Wire.to(chain.rendezvous.url).run(device.to1())
        device.onboard(Wire.to(chain.owner.url), to1d=to1d)
        assert state_of(chain, device) == "owned"


def test_the_whole_way_is_the_same_on_postgresql(
    tmp_path: Path, postgres_server: PrivatePostgres
) -> None:
    urls = {role: postgres_server.new_database() for role in Role}
    for chain in joined(tmp_path, KeyAlgorithm.P256, urls):
        device = SoftDevice.made_at(Wire.to(chain.factory.url))
        chain.take(chain.sell(device))
        eventually(lambda: state_of(chain, device) == "registered")  # noqa: B023
        to1d = Wire.to(chain.rendezvous.url).run(device.to1())
        other = chain.replica()
        device.onboard(Wire.to(chain.owner.url, other.url), to1d=to1d)
        assert state_of(chain, device) == "owned"
    for url in urls.values():
        postgres_server.drop_database(url)


def test_messages_may_alternate_between_replicas(chain: Chain) -> None:
    device = chain.bought()
    other = chain.replica()
    wire = Wire.to(chain.owner.url, other.url)
    device.onboard(wire)
    assert [kind for kind, _ in wire.sent][:4] == [60, 62, 64, 66]
    assert state_of(chain, device) == "owned"


def test_a_replica_may_be_restarted_between_any_two_messages(chain: Chain) -> None:
    device = chain.bought()
    running = [chain.replica()]
    wire = Wire([running[0].url])

    def restart(_move: Send, _token: str | None) -> None:
        running[0].stop()
        running[0] = chain.replica()
        wire.urls = [running[0].url]

    wire.before = restart
    device.onboard(wire)
    assert state_of(chain, device) == "owned"


@pytest.mark.parametrize(
    "copied",
    [
        MsgType.TO2_PROVE_DEVICE,
        MsgType.TO2_DEVICE_SERVICE_INFO_READY,
        MsgType.TO2_DONE,
    ],
)
def test_a_copy_of_a_message_is_refused_and_does_no_harm(
    chain: Chain, copied: MsgType
) -> None:
    device = chain.bought()
    wire = Wire.to(chain.owner.url)
    refusals: list[tuple[int, int]] = []

    def replay(_move: Send, token: str | None) -> None:
        if wire.sent and wire.sent[-1][0] == copied and not refusals:
            refusals.append(_copy(chain, wire.sent[-1], token))

    wire.before = replay
    device.onboard(wire)
    if copied is MsgType.TO2_DONE:
        refusals.append(_copy(chain, wire.sent[-1], wire.token))
    assert refusals == [(500, 101)]
    assert state_of(chain, device) == "owned"


def _copy(chain: Chain, sent: tuple[int, bytes], token: str | None) -> tuple[int, int]:
    reply = Wire.to(chain.owner.url).post(*sent, token=token)
    return reply.status_code, int(ErrorMessage.from_cbor(reply.content).code)


def test_an_entry_may_be_asked_for_twice(chain: Chain) -> None:
    device = chain.bought()
    wire = Wire.to(chain.owner.url)
    answers: list[httpx.Response] = []

    def again(_move: Send, token: str | None) -> None:
        if wire.sent and wire.sent[-1][0] == MsgType.TO2_GET_OV_NEXT_ENTRY:
            other = Wire.to(chain.owner.url)
            answers.extend(other.post(*wire.sent[-1], token=token) for _ in "ab")

    wire.before = again
    device.onboard(wire)
    assert [one.status_code for one in answers] == [200, 200]
    assert answers[0].content == answers[1].content


def test_a_lost_last_answer_locks_nobody_out(chain: Chain) -> None:
    device = chain.bought()
    before = device.credential
    device.onboard(Wire.to(chain.owner.url))
    device.credential = before  # 71 never arrived
    device.onboard(Wire.to(chain.owner.url))
    assert state_of(chain, device) == "owned"


def test_a_flood_of_hellos_stores_nothing(chain: Chain) -> None:
    device = chain.bought()
    runs = RunStore(Database(chain.owner_settings.database_url))
    before = runs.live(0), runs.prune(0)
    hello = device.to2().start()
    wire = Wire.to(chain.owner.url)
    tokens = set()
    for _ in range(50):
        reply = wire.post(hello.type, hello.body, token="Bearer of another run")
        assert reply.status_code == 200
        tokens.add(reply.headers["Authorization"])
    assert len(tokens) == 50
    assert (runs.live(0), runs.prune(0)) == before


def test_the_token_comes_with_the_first_answer_only(chain: Chain) -> None:
    device = chain.bought()
    wire = Wire.to(chain.owner.url)
    device.onboard(wire)
    minted = ["authorization" in one for one in wire.headers]
    assert minted[0]
    assert not any(minted[1:])
    assert all("content-length" in one for one in wire.headers)


@pytest.mark.parametrize("token", [None, "Bearer nonsense", "Bearer " + "A" * 200])
@pytest.mark.parametrize("kind", [62, 64, 66, 68, 70])
def test_a_message_without_its_token_gets_error_1(
    chain: Chain, kind: int, token: str | None
) -> None:
    reply = Wire.to(chain.owner.url).post(kind, b"\x80", token)
    message = ErrorMessage.from_cbor(reply.content)
    assert (reply.status_code, reply.headers["message-type"]) == (500, "255")
    assert (int(message.code), message.previous) == (1, kind)


def test_a_token_of_one_protocol_is_none_of_another(chain: Chain) -> None:
    device = chain.bought()
    hello = device.to2().start()
    token = (
        Wire.to(chain.owner.url).post(hello.type, hello.body).headers["authorization"]
    )
    reply = Wire.to(chain.factory.url).post(12, b"\x80", token)
    assert int(ErrorMessage.from_cbor(reply.content).code) == 1


def test_a_device_that_nobody_sold_us_is_unknown(chain: Chain) -> None:
    device = SoftDevice.made_at(Wire.to(chain.factory.url))
    with pytest.raises(PeerFailed) as refused:
        device.onboard(Wire.to(chain.owner.url))
    assert int(refused.value.message.code) == 6


def test_the_rendezvous_server_does_not_know_who_was_not_registered(
    chain: Chain,
) -> None:
    device = SoftDevice.made_at(Wire.to(chain.factory.url))
    with pytest.raises(PeerFailed) as refused:
        Wire.to(chain.rendezvous.url).run(device.to1())
    assert int(refused.value.message.code) == 6


def test_an_untrusted_maker_is_not_registered_and_the_owner_is_told(
    chain: Chain, tmp_path: Path
) -> None:
    stranger = Site(tmp_path, own_keys=True)
    settings = stranger.settings(Role.MANUFACTURING)
    key = stranger.api_key(settings, apikeys.Role.ADMIN)
    with stranger.serve(settings) as factory:
        rv = chain.factory.call(chain.factory_key, "GET", "/rvinfo").json()
        body = {"directives": rv["directives"]}
        factory.call(key, "PUT", "/rvinfo", json=body)
        device = SoftDevice.made_at(Wire.to(factory.url))
        buyer = {"next_owner_pem": chain.site.keys[KeyKind.OWNER].public_pem}
        path = f"/vouchers/{device.credential.guid}/extend"
        pem = factory.call(key, "POST", path, json=buyer).json()["pem"]
    assert chain.take(pem).status_code == 200

    def told() -> bool:
        items = chain.owner.call(chain.owner_key, "GET", "/to0").json()["items"]
        mine = [one for one in items if one["guid"] == str(device.credential.guid)]
        errors = [server["error"] for one in mine for server in one["servers"]]
        return any("error 2" in error for error in errors)

    eventually(told)
    assert state_of(chain, device) == "imported"


def passport_of(device: SoftDevice, **changed: object) -> dict[str, object]:
    """What a DI station says of a device, with an endorsement key in software."""
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    public = ecc_public(key, EK_ATTRIBUTES, AES128, NULL)
    told: dict[str, object] = {
        "guid": str(device.credential.guid),
        "serial": "SN-9",
        "profile": "generic-sbc-tpm",
        "ek_public": encode_bytes(public),
        "ek_certificate": None,
    }
    return {**told, **changed}


def post_passport(chain: Chain, body: dict[str, object]) -> httpx.Response:
    return chain.factory.call(chain.factory_key, "POST", "/passports", json=body)


def test_a_passport_goes_with_its_voucher_to_the_owner(chain: Chain) -> None:
    device = SoftDevice.made_at(Wire.to(chain.factory.url))
    body = passport_of(device)
    first, again = post_passport(chain, body), post_passport(chain, body)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    another = post_passport(chain, {**body, "serial": "SN-10"})
    assert (another.status_code, another.json()["code"]) == (409, "another-passport")

    pem = chain.sell(device)
    (result,) = chain.take(pem).json()["results"]
    assert (result["status"], result["passport"]) == ("imported", "stored")
    path = f"/devices/{device.credential.guid}"
    shown = chain.owner.call(chain.owner_key, "GET", path).json()
    assert (shown["profile"], shown["serial"]) == ("generic-sbc-tpm", "SN-9")
    exported = f"/vouchers/{device.credential.guid}/pem"
    assert chain.owner.call(chain.owner_key, "GET", exported).text == pem
    plain = chain.owner.call(chain.owner_key, "GET", exported + "?passport=false")
    assert "PASSPORT" not in plain.text


BAD_PASSPORTS: dict[str, tuple[dict[str, object], int, str]] = {
    "another profile": ({"profile": "none-such"}, 422, "not-an-endorsement-key"),
    "no key": ({"ek_public": "AAAA"}, 422, "not-an-endorsement-key"),
    "no certificate": ({"ek_certificate": "AAAA"}, 422, "not-an-endorsement-key"),
    "another device": ({"guid": "0" * 32}, 404, "not-found"),
    "a serial with a line end": ({"serial": "a\nb"}, 422, "invalid"),
}


@pytest.mark.parametrize("case", list(BAD_PASSPORTS))
def test_a_passport_of_nothing_real_is_not_issued(chain: Chain, case: str) -> None:
    changed, status, code = BAD_PASSPORTS[case]
    device = SoftDevice.made_at(Wire.to(chain.factory.url))
    reply = post_passport(chain, passport_of(device, **changed))
    assert (reply.status_code, reply.json()["code"]) == (status, code)


def test_a_passport_of_another_device_is_refused_and_the_voucher_taken(
    chain: Chain,
) -> None:
    device, other = (SoftDevice.made_at(Wire.to(chain.factory.url)) for _ in "ab")
    post_passport(chain, passport_of(device))
    post_passport(chain, passport_of(other))
    mine, theirs = chain.sell(device), chain.sell(other)
    marker = "-----BEGIN VOUCHGATE PASSPORT-----"
    body = base64.b64decode("".join(theirs.split(marker)[1].splitlines()[1:-1]))
    forged = body.replace(other.credential.guid.raw, device.credential.guid.raw)
    assert forged != body
    (result,) = chain.take(mine.split(marker)[0] + dump(forged)).json()["results"]
    assert (result["status"], result["passport"]) == ("imported", "refused")


def test_a_device_with_a_passport_must_show_that_very_tpm(chain: Chain) -> None:
    device = SoftDevice.made_at(Wire.to(chain.factory.url))
    post_passport(chain, passport_of(device))
    chain.take(chain.sell(device))
    with pytest.raises(PeerFailed) as refused:
        device.onboard(Wire.to(chain.owner.url))
    assert int(refused.value.message.code) == 101
    assert state_of(chain, device) in ("imported", "registered")


@pytest.mark.parametrize("chunked", [False, True])
def test_an_oversize_body_is_an_error_message(chain: Chain, chunked: bool) -> None:
    body = b"\x59" + b"x" * MAX_BODY
    content = iter([body[:40_000], body[40_000:]]) if chunked else body
    reply = httpx.post(
        f"{chain.owner.url}/fdo/101/msg/60", content=content, trust_env=False
    )
    assert (reply.status_code, reply.headers["message-type"]) == (500, "255")
    assert int(ErrorMessage.from_cbor(reply.content).code) == 100


BAD_BODIES = [b"", b"\xff", b"\x80", b"\xa0", b"\x9f\xff", b"\x81" * 3000, b"x" * 9]


@pytest.mark.parametrize("body", BAD_BODIES)
@pytest.mark.parametrize("number", [10, 20, 30, 60])
def test_bytes_that_are_no_message_get_error_100(
    chain: Chain, number: int, body: bytes
) -> None:
    service = {10: chain.factory, 60: chain.owner}.get(number, chain.rendezvous)
    if number == 20 and body == b"\x80":
        return  # that is TO0.Hello
    reply = Wire.to(service.url).post(number, body)
    assert reply.status_code == 500
    assert int(ErrorMessage.from_cbor(reply.content).code) == 100


def test_a_hello_with_a_suite_we_do_not_speak_gets_error_101(chain: Chain) -> None:
    device = chain.bought()
    hello = HelloDevice.from_cbor(device.to2().start().body)
    body = hello.encode().replace(b"ECDH256", b"ECDH999")
    assert body != hello.encode()
    reply = Wire.to(chain.owner.url).post(60, body)
    assert int(ErrorMessage.from_cbor(reply.content).code) == 101


def test_an_error_of_the_device_is_answered_with_nothing_and_ends_its_run(
    chain: Chain,
) -> None:
    device = chain.bought()
    wire = Wire.to(chain.owner.url)

    def give_up(move: Send, token: str | None) -> None:
        if move.type is MsgType.TO2_DONE:
            reply = Wire.to(chain.owner.url).post(255, b"\x80", token)
            assert (reply.status_code, reply.content) == (200, b"")

    wire.before = give_up
    with pytest.raises(PeerFailed):
        device.onboard(wire)
    assert state_of(chain, device) in ("imported", "registered")
    path = f"/devices/{device.credential.guid}/timeline"
    events = chain.owner.call(chain.owner_key, "GET", path).json()["items"]
    assert "ownership.refused" in [one["cause"] for one in events]


def test_all_roles_serve_from_one_process(tmp_path: Path) -> None:
    site = Site(tmp_path)
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
