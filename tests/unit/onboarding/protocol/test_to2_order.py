"""What has no place in TO2, and who may not take part in it."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from onboarding.protocol.env import ServiceInfoLimits
from onboarding.protocol.errors import MessageRefused
from onboarding.protocol.fdo_download import DownloadModule, FilePush
from onboarding.protocol.registry import ROLES as ROLES_BY_VERSION
from onboarding.protocol.registry import TO2
from onboarding.protocol.step import ProtocolVersion
from onboarding.wire.message import MsgType
from onboarding.wire.to2_secure import DeviceServiceInfoReady
from ownership_vouchers import cbor
from ownership_vouchers.algorithms import SoftSigner
from ownership_vouchers.types import Guid, Hash, HashType
from ownership_vouchers.voucher import MAX_ENTRIES
from tests.support.alterations import change, overwritten, put, resigned
from tests.support.fdo_roles import KeepingModule, Roles
from tests.support.refusals import code_of
from tests.support.supply_chain import SupplyChain

M = MsgType
CHAIN = SupplyChain().make_device().sell_to("dealer").sell_to("owner")
ROLES = Roles(CHAIN)
OWNER = CHAIN.owner.signer
STRANGER = SoftSigner(ec.generate_private_key(ec.SECP256R1()))
OTHER = SupplyChain().make_device().sell_to("owner")


def test_messages_without_their_place_are_refused() -> None:
    """Every message is tried in every state; only its own place takes it."""
    places = {60: {"60"}, 62: {"62", "64"}, 64: {"62", "64"}, 66: {"66"}, 68: {"68"}}
    pair = ROLES.to2()
    move = pair.client.start()
    env = pair.env
    while int(move.type) != 70:
        now = int(move.type)
        state = pair.state and TO2.decode_state(pair.state)
        for msg in MsgType:
            if str(int(msg)) not in places[now]:
                code = code_of(partial(TO2.step, state, msg, b"", env))
                assert code == 101, (now, msg)
        move = pair.client.receive(*pair.serve(move.type, move.body))


def test_a_used_state_takes_no_message_twice() -> None:
    """64 and 66 leave a state in which they have no place."""
    pair = ROLES.to2()
    move = pair.client.start()
    for _ in range(6):
        kind, body = move.type, move.body
        move = pair.client.receive(*pair.serve(kind, body))
        if kind in (M.TO2_PROVE_DEVICE, M.TO2_DEVICE_SERVICE_INFO_READY):
            again = partial(TO2.step, TO2.decode_state(pair.state or b""))
            assert code_of(partial(again, kind, body, pair.env)) == 101


def test_device_refuses_reuse_unless_it_is_allowed() -> None:
    roles = Roles(SupplyChain().make_device().sell_to("owner"), reuse=True)
    assert code_of(roles.to2().run) == 102


def test_owner_refuses_a_new_credential_where_it_offered_to_reuse_the_old() -> None:
    """Its voucher would stay, and the device would answer to another."""
    roles = Roles(SupplyChain().make_device().sell_to("owner"), reuse=True)
    mac = Hash(HashType.HMAC_SHA256, bytes(32))

    def with_hmac(plain: bytes) -> bytes:
        message = DeviceServiceInfoReady.from_cbor(plain)
        return DeviceServiceInfoReady(mac, message.max_service_info).encode()

    alter = {M.TO2_DEVICE_SERVICE_INFO_READY: with_hmac}
    pair = roles.to2(device={"allow_reuse": True}, alter=alter)
    assert code_of(pair.run) == 101


REUSE_NEEDS = {
    "another GUID": put(bytes(16), 1),
    "other rendezvous info": put([[[5, cbor.encode("x.example")]]], 0),
    "another owner key": put(OTHER.owner.public_key.to_item(), 3),
}


@pytest.mark.parametrize("name", REUSE_NEEDS)
def test_an_offer_that_differs_in_one_thing_is_no_reuse(name: str) -> None:
    """A device that allows no reuse takes it as a new credential: no error 102."""
    roles = Roles(SupplyChain().make_device().sell_to("owner"), reuse=True)
    signer = OTHER.owner.signer if "key" in name else roles.chain.owner.signer
    alter = {M.TO2_SETUP_DEVICE: resigned(signer, REUSE_NEEDS[name])}
    pair = roles.to2(device={"allow_reuse": False}, alter=alter)
    assert code_of(pair.run) == 101  # the owner's word on the HMAC it did not expect
    assert pair.types[-1] == 66


def test_a_voucher_of_255_entries_is_walked_to_its_end() -> None:
    chain = SupplyChain().make_device()
    for number in range(MAX_ENTRIES):
        chain.sell_to(f"owner {number % 2}")
    pair = Roles(chain).to2()
    pair.run()
    assert pair.types.count(62) == 255
    last = partial(pair.serve, M.TO2_GET_OV_NEXT_ENTRY)
    hello = Roles(chain).to2().client.start()
    pair.state = None
    pair.serve(hello.type, hello.body)
    assert code_of(partial(last, cbor.encode([255]))) == 101
    assert code_of(partial(last, cbor.encode([256]))) == 100


def test_owner_sends_nothing_larger_than_the_device_takes() -> None:
    chain = SupplyChain("P-384").make_device().sell_to("owner")
    pair = Roles(chain).to2(device={"max_message": 1300})
    pair.run()
    largest = max(len(one.body) for one in pair.passed if int(one.type) % 2)
    assert largest <= 1300
    module = DownloadModule((FilePush("f", bytes(9000)),))
    keeper = KeepingModule("fdo.download", _done_at(9000))
    pair = Roles(chain).to2(
        module,
        device={"max_message": 1400, "max_service_info": 60_000, "modules": (keeper,)},
    )
    pair.run()
    largest = max(len(one.body) for one in pair.passed if int(one.type) % 2)
    assert 1014 < largest <= 1400


def _done_at(size: int) -> Callable[[str, bytes], list[tuple[str, bytes]]]:
    got = {"left": size}

    def answer(what: str, value: bytes) -> list[tuple[str, bytes]]:
        if what == "data":
            got["left"] -= len(cbor.bstr(cbor.decode(value)))
        finished = what == "data" and not got["left"]
        return [("done", cbor.encode(size))] if finished else []

    return answer


def test_owner_says_which_message_the_device_cannot_take() -> None:
    rv = [{"dns": f"{'long' * 15}.{number}.example"} for number in range(20)]
    chain = SupplyChain(rendezvous=rv).make_device().sell_to("owner")
    pair = Roles(chain).to2(device={"max_message": 1300})
    with pytest.raises(MessageRefused, match=r"TO2_PROVE_OV_HDR has .* takes 1300"):
        pair.run()
    Roles(chain).to2(device={"max_message": 17}).run()  # what one implementation says


def test_owner_refuses_a_device_that_begins_anew_after_all_was_said() -> None:
    pair = ROLES.to2(alter={M.TO2_OWNER_SERVICE_INFO: _never_done(2)})
    told = put(True, 0)
    pair.run()
    late = ROLES.to2(alter={M.TO2_OWNER_SERVICE_INFO: _never_done(2)})
    late.alter = {**late.alter, M.TO2_DEVICE_SERVICE_INFO: _second(told)}
    assert code_of(late.run) == 101


def _never_done(times: int) -> Callable[[bytes], bytes]:
    """Let the device believe so often that the owner is not done yet."""
    left = [times]

    def alter(plain: bytes) -> bytes:
        left[0] -= 1
        return put(False, 1)(plain) if left[0] >= 0 else plain

    return alter


def _second(change: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    seen = [0]

    def alter(plain: bytes) -> bytes:
        seen[0] += 1
        return change(plain) if seen[0] == 2 else plain

    return alter


def test_device_refuses_an_owner_whom_rendezvous_did_not_name() -> None:
    signed = resigned(STRANGER)(_to1d())
    assert code_of(ROLES.to2(device={"to1d": signed}).run) == 101
    ROLES.to2(device={"to1d": _to1d()}).run()


@pytest.mark.parametrize(("part", "code"), [(0, 100), (2, 101), (3, 101)])
def test_device_refuses_what_rendezvous_has_spoilt(part: int, code: int) -> None:
    """Protected header, payload, signature: TO1 has nothing to hold them to."""
    spoilt = change(overwritten(), part)(_to1d())
    assert code_of(ROLES.to2(device={"to1d": spoilt}).run) == code


def _to1d() -> bytes:
    entry = CHAIN.voucher.entries[-1].sign1
    return resigned(OWNER)(entry.encode())


def test_owner_answers_6_for_a_voucher_without_entries() -> None:
    chain = SupplyChain().make_device()
    assert code_of(Roles(chain).to2().run) == 6


def test_owner_refuses_a_device_of_another_voucher() -> None:
    """Another device that knows the GUID, and even the HMAC secret."""
    pair = ROLES.to2(device={"device_key": OTHER.device_signer})
    assert code_of(pair.run) == 101


def test_device_refuses_a_voucher_with_another_manufacturer() -> None:
    """Same GUID, right HMAC, another manufacturer's key: not what DI left."""
    forged = SupplyChain()
    forged.make_device(guid=Guid(CHAIN.guid.raw)).sell_to("owner")
    roles = Roles(forged)
    roles.credential = ROLES.credential
    assert code_of(roles.to2().run) == 101


@pytest.mark.parametrize("kind", ["RSA-2048", "RSA-3072"])
def test_an_owner_with_an_rsa_key_is_refused_in_60(kind: str) -> None:
    chain = SupplyChain(kind).make_device().sell_to("owner")
    roles = Roles(chain)
    hello = ROLES.to2().client.start()
    body = put(chain.guid.raw, 1)(hello.body)
    for name in ("ECDH256", "DHKEXid14", "ASYMKEX2048", "ASYMKEX3072"):
        asked, env = put(name, 3)(body), roles.owner_env()
        step = partial(TO2.step, None, M.TO2_HELLO_DEVICE, asked, env)
        assert code_of(step) == 101


LIMITS = {
    "too many rounds": ServiceInfoLimits(rounds=0),
    "too many bytes": ServiceInfoLimits(received=100),
    "too long": ServiceInfoLimits(seconds=-1),
}


@pytest.mark.parametrize("name", LIMITS)
def test_service_info_over_a_limit_ends_the_run(name: str) -> None:
    pair = ROLES.to2(owner={"limits": LIMITS[name]})
    assert code_of(pair.run) == 101


def test_device_ends_an_exchange_that_never_does() -> None:
    nothing = cbor.encode([False, False, []])
    pair = ROLES.to2(
        device={"max_rounds": 5},
        alter={M.TO2_OWNER_SERVICE_INFO: lambda _plain: nothing},
    )
    assert code_of(pair.run) == 101
    assert pair.types.count(68) == 5


@pytest.mark.parametrize(("size", "taken"), [(1316, True), (1317, False)])
def test_device_takes_no_message_larger_than_it_said(size: int, taken: bool) -> None:
    """1300 bytes, and the few by which implementations count differently."""
    pairs = [["m:k", cbor.encode(bytes(1295))]]
    filled = cbor.encode([False, True, pairs])
    large = cbor.encode(
        [False, True, [["m:k", cbor.encode(bytes(1295 + size - len(filled)))]]]
    )
    assert len(large) == size
    pair = ROLES.to2(alter={M.TO2_OWNER_SERVICE_INFO: lambda _plain: large})
    if taken:
        pair.run()
        return
    assert code_of(pair.run) == 101
    assert pair.types[-1] == M.TO2_OWNER_SERVICE_INFO
    assert pair.types.count(68) == 1


def test_device_refuses_a_header_with_its_hmac_but_another_guid() -> None:
    roles = Roles(SupplyChain().make_device().sell_to("owner"))
    env = roles.device_env()
    roles.credential = replace(env.credential, guid=CHAIN.guid)
    owned = replace(roles.owned, header=replace(roles.owned.header, guid=CHAIN.guid))
    pair = roles.to2(owner={"find_voucher": lambda _guid: owned})
    assert code_of(pair.run) == 101


def test_the_versions_roles_take_every_request_and_no_reply() -> None:
    roles = ROLES_BY_VERSION[ProtocolVersion.FDO_1_1]
    taken = [msg for role in roles for msg in role.messages]
    assert sorted(taken) == [10, 12, 20, 22, 30, 32, 60, 62, 64, 66, 68, 70]
    assert all(role.opening in role.messages for role in roles)
