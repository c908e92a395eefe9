"""Runs of FDO over real HTTP: any replica, no copy, no flood, no odd bytes."""

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from hw.keys import SoftHmac, SoftKey, new_soft_key
from onboarding.protocol.errors import PeerFailed
from onboarding.protocol.step import Send
from onboarding.services.fdo_front import MAX_BODY
from onboarding.services.key_store import KeyKind, KeyStore
from onboarding.store.database import Database
from onboarding.store.runs import run_store
from onboarding.wire.error import ErrorMessage
from onboarding.wire.message import MsgType
from onboarding.wire.to2 import HelloDevice
from ownership_vouchers.extend import extend
from ownership_vouchers.keys import PublicKey
from ownership_vouchers.pem import dump_pem
from ownership_vouchers.voucher import MAX_ENTRIES
from tests.support.fdo_chain import Chain, state_of
from tests.support.fdo_roles import KeepingModule, Roles
from tests.support.services import PASSPHRASE, Wire
from tests.support.soft_device import SoftDevice
from tests.support.supply_chain import SupplyChain

pytest_plugins = ["tests.support.service_fixtures"]


def test_messages_may_alternate_between_replicas(fdo_chain: Chain) -> None:
    device = fdo_chain.bought()
    other = fdo_chain.replica()
    wire = Wire.to(fdo_chain.owner.url, other.url)
    device.onboard(wire)
    assert [kind for kind, _ in wire.sent][:4] == [60, 62, 64, 66]
    assert state_of(fdo_chain, device) == "owned"


def test_a_replica_may_be_restarted_between_any_two_messages(fdo_chain: Chain) -> None:
    device = fdo_chain.bought()
    running = [fdo_chain.replica()]
    wire = Wire([running[0].url])

    def restart(_move: Send, _token: str | None) -> None:
        running[0].stop()
        running[0] = fdo_chain.replica()
        wire.urls = [running[0].url]

    wire.before = restart
    device.onboard(wire)
    assert state_of(fdo_chain, device) == "owned"


@pytest.mark.parametrize(
    "copied",
    [
        MsgType.TO2_PROVE_DEVICE,
        MsgType.TO2_DEVICE_SERVICE_INFO_READY,
        MsgType.TO2_DONE,
    ],
)
def test_a_copy_of_a_message_is_refused_and_does_no_harm(
    fdo_chain: Chain, copied: MsgType
) -> None:
    device = fdo_chain.bought()
    wire = Wire.to(fdo_chain.owner.url)
    refusals: list[tuple[int, int]] = []

    def replay(_move: Send, token: str | None) -> None:
        if wire.sent and wire.sent[-1][0] == copied and not refusals:
            refusals.append(_copy(fdo_chain, wire.sent[-1], token))

    wire.before = replay
    device.onboard(wire)
    if copied is MsgType.TO2_DONE:
        refusals.append(_copy(fdo_chain, wire.sent[-1], wire.token))
    assert refusals == [(500, 101)]
    assert state_of(fdo_chain, device) == "owned"


@pytest.mark.parametrize("late", [64, 66, 68, 70])
def test_after_the_last_message_there_is_no_other(fdo_chain: Chain, late: int) -> None:
    device = fdo_chain.bought()
    wire = Wire.to(fdo_chain.owner.url)
    device.onboard(wire)
    body = next(body for kind, body in reversed(wire.sent) if kind == late)
    assert _copy(fdo_chain, (late, body), wire.token) == (500, 101)
    assert state_of(fdo_chain, device) == "owned"


def _copy(chain: Chain, sent: tuple[int, bytes], token: str | None) -> tuple[int, int]:
    reply = Wire.to(chain.owner.url).post(*sent, token=token)
    return reply.status_code, int(ErrorMessage.from_cbor(reply.content).code)


def test_a_device_is_held_to_the_limits_that_are_set(fdo_chain: Chain) -> None:
    limits = {"to2_message_bytes": 300, "to2_received_bytes": 4096}
    settings = fdo_chain.owner_settings.model_copy(update=limits)
    names = [f"org.example.module-{number:03}" for number in range(200)]
    with fdo_chain.site.serve(settings) as owner:
        device = fdo_chain.bought()
        wire = Wire.to(owner.url)
        many = tuple(KeepingModule(name, lambda _w, _v: []) for name in names)
        with pytest.raises(PeerFailed) as refused:
            device.onboard(wire, modules=many)
        assert int(refused.value.message.code) == 101
        sizes = [len(body) for kind, body in wire.sent if kind == 68]
        assert len(sizes) > 10
        assert 250 < max(sizes) < 400  # as 67 said, and the tunnel around it
        device.onboard(Wire.to(owner.url), modules=many[:40])
    assert state_of(fdo_chain, device) == "owned"


def test_a_device_that_was_sold_255_times_is_onboarded(fdo_chain: Chain) -> None:
    sold = SupplyChain().make_device()
    for number in range(MAX_ENTRIES - 1):
        sold.sell_to(f"dealer {number % 2}")
    store = KeyStore(fdo_chain.site.directory / "keys", PASSPHRASE)
    ours = PublicKey.of(store.signer(KeyKind.OWNER.value).public_key)
    last = sold.owner
    voucher = extend(sold.verified, last.signer, last.public_key, ours)
    assert fdo_chain.take(dump_pem(voucher)).json()["imported"] == 1
    roles = Roles(sold)
    assert isinstance(sold.device_key, EllipticCurvePrivateKey)
    mac = SoftHmac(sold.hmac_secret, int(sold.hash_type.keyed))
    device = SoftDevice(SoftKey(sold.device_key), mac, roles.credential)
    wire = Wire.to(fdo_chain.owner.url)
    device.onboard(wire)
    assert [kind for kind, _ in wire.sent].count(62) == 255
    assert state_of(fdo_chain, device) == "owned"


def test_an_entry_may_be_asked_for_twice(fdo_chain: Chain) -> None:
    device = fdo_chain.bought()
    wire = Wire.to(fdo_chain.owner.url)
    answers: list[httpx.Response] = []

    def again(_move: Send, token: str | None) -> None:
        if wire.sent and wire.sent[-1][0] == MsgType.TO2_GET_OV_NEXT_ENTRY:
            other = Wire.to(fdo_chain.owner.url)
            answers.extend(other.post(*wire.sent[-1], token=token) for _ in "ab")

    wire.before = again
    device.onboard(wire)
    assert [one.status_code for one in answers] == [200, 200]
    assert answers[0].content == answers[1].content


def test_a_flood_of_hellos_stores_nothing(fdo_chain: Chain) -> None:
    device = fdo_chain.bought()
    database = Database(fdo_chain.owner_settings.database_url)
    runs = run_store(database)
    before = runs.live(0), runs.prune(0)
    hello = device.to2().start()
    wire = Wire.to(fdo_chain.owner.url)
    tokens = set()
    for _ in range(50):
        reply = wire.post(hello.type, hello.body, token="Bearer of another run")
        assert reply.status_code == 200
        tokens.add(reply.headers["Authorization"])
    assert len(tokens) == 50
    assert (runs.live(0), runs.prune(0)) == before
    database.close()


def test_every_answer_has_the_token_of_the_first(fdo_chain: Chain) -> None:
    device = fdo_chain.bought()
    wire = Wire.to(fdo_chain.owner.url)
    device.onboard(wire)
    tokens = {one.get("authorization") for one in wire.headers}
    assert len(tokens) == 1
    assert None not in tokens
    assert all("content-length" in one for one in wire.headers)


def test_every_answer_has_headers_that_the_smallest_client_has_room_for(
    fdo_chain: Chain,
) -> None:
    """client-sdk-fidoiot keeps them in 1,024 characters, which end in a zero."""
    factory, owner = Wire.to(fdo_chain.factory.url), Wire.to(fdo_chain.owner.url)
    SoftDevice.made_at(factory)
    fdo_chain.bought().onboard(owner)
    for headers in (*factory.headers, *owner.headers):
        assert (
            len("HTTP/1.1 200 OK\n")
            + sum(len(f"{name}: {value}\n") for name, value in headers.items())
            < 1000
        )


@pytest.mark.parametrize("token", [None, "Bearer nonsense", "Bearer " + "A" * 200])
@pytest.mark.parametrize("kind", [62, 64, 66, 68, 70])
def test_a_message_without_its_token_gets_error_1(
    fdo_chain: Chain, kind: int, token: str | None
) -> None:
    reply = Wire.to(fdo_chain.owner.url).post(kind, b"\x80", token)
    message = ErrorMessage.from_cbor(reply.content)
    assert (reply.status_code, reply.headers["message-type"]) == (500, "255")
    assert (int(message.code), message.previous) == (1, kind)


def test_a_token_of_one_protocol_is_none_of_another(fdo_chain: Chain) -> None:
    device = fdo_chain.bought()
    hello = device.to2().start()
    token = (
        Wire.to(fdo_chain.owner.url)
        .post(hello.type, hello.body)
        .headers["authorization"]
    )
    reply = Wire.to(fdo_chain.factory.url).post(12, b"\x80", token)
    assert int(ErrorMessage.from_cbor(reply.content).code) == 1


@pytest.mark.parametrize("chunked", [False, True])
def test_an_oversize_body_is_an_error_message(fdo_chain: Chain, chunked: bool) -> None:
    body = b"\x59" + b"x" * MAX_BODY
    content = iter([body[:40_000], body[40_000:]]) if chunked else body
    reply = httpx.post(
        f"{fdo_chain.owner.url}/fdo/101/msg/60",
        content=content,
        timeout=60,
        trust_env=False,
    )
    assert (reply.status_code, reply.headers["message-type"]) == (500, "255")
    assert int(ErrorMessage.from_cbor(reply.content).code) == 100


BAD_BODIES = [b"", b"\xff", b"\x80", b"\xa0", b"\x9f\xff", b"\x81" * 3000, b"x" * 9]


@pytest.mark.parametrize("body", BAD_BODIES)
@pytest.mark.parametrize("number", [10, 20, 30, 60])
def test_bytes_that_are_no_message_get_error_100(
    fdo_chain: Chain, number: int, body: bytes
) -> None:
    service = {10: fdo_chain.factory, 60: fdo_chain.owner}.get(
        number, fdo_chain.rendezvous
    )
    if number == 20 and body == b"\x80":
        return  # that is TO0.Hello
    reply = Wire.to(service.url).post(number, body)
    assert reply.status_code == 500
    assert int(ErrorMessage.from_cbor(reply.content).code) == 100


def test_a_hello_with_a_suite_we_do_not_speak_gets_error_101(fdo_chain: Chain) -> None:
    device = fdo_chain.bought()
    hello = HelloDevice.from_cbor(device.to2().start().body)
    body = hello.encode().replace(b"ECDH256", b"ECDH999")
    assert body != hello.encode()
    reply = Wire.to(fdo_chain.owner.url).post(60, body)
    assert int(ErrorMessage.from_cbor(reply.content).code) == 101


def test_an_error_of_the_device_is_answered_with_nothing_and_ends_its_run(
    fdo_chain: Chain,
) -> None:
    device = fdo_chain.bought()
    wire = Wire.to(fdo_chain.owner.url)

    def give_up(move: Send, token: str | None) -> None:
        if move.type is MsgType.TO2_DONE:
            reply = Wire.to(fdo_chain.owner.url).post(255, b"\x80", token)
            assert (reply.status_code, reply.content) == (200, b"")

    wire.before = give_up
    with pytest.raises(PeerFailed):
        device.onboard(wire)
    assert state_of(fdo_chain, device) in ("imported", "registered")
    path = f"/devices/{device.credential.guid}/timeline"
    events = fdo_chain.owner.call(fdo_chain.owner_key, "GET", path).json()["items"]
    assert "ownership.refused" in [one["cause"] for one in events]


def test_each_run_leaves_a_trace_of_how_far_it_came(fdo_chain: Chain) -> None:
    device = fdo_chain.bought()
    url, sold_as = fdo_chain.owner.url, str(device.credential.guid)
    with pytest.raises(PeerFailed):
        device.onboard(Wire.to(url), device_key=new_soft_key("P-256"))
    device.onboard(Wire.to(url))
    answer = fdo_chain.owner.call(fdo_chain.owner_key, "GET", "/traces").json()
    runs = [one for one in answer["items"] if one["guid"] == sold_as]
    came = {(one["passed"], one["refused"], one["done"]) for one in runs}
    assert came == {(62, 64, False), (70, None, True)}
