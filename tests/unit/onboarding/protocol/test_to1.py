"""TO1: both roles joined, and every single wrong thing."""

from functools import partial

import pytest

from onboarding.protocol.registry import TO1
from onboarding.wire.message import MsgType
from ownership_vouchers import cbor
from tests.support.alterations import NO_CBOR, Alteration, flipped, put, resigned
from tests.support.refusals import code_of
from tests.support.short_roles import ADDRESS, CHAIN, to1
from tests.support.supply_chain import SupplyChain

M = MsgType
STRANGER = SupplyChain().make_device()


def test_to1d_names_the_owner_and_is_signed_by_it() -> None:
    to1d = to1().run()
    item = cbor.untag(cbor.decode(to1d), 18)
    assert cbor.encode(ADDRESS.to_item()) in cbor.bstr(cbor.array(item)[2])


TO1_CASES: dict[str, tuple[MsgType, Alteration, int]] = {
    "unknown GUID": (M.TO1_HELLO_RV, put(bytes(16), 0), 6),
    "GUID of 17 bytes": (M.TO1_HELLO_RV, put(bytes(17), 0), 100),
    "signature type of P-384": (M.TO1_HELLO_RV, put(-35, 1, 0), 101),
    "signature type of EPID": (M.TO1_HELLO_RV, put(91, 1, 0), 101),
    "signature info null": (M.TO1_HELLO_RV, put(None, 1, 1), 100),
    "server wants another signature": (M.TO1_HELLO_RV_ACK, put(-35, 1, 0), 101),
    "nonce changed": (M.TO1_HELLO_RV_ACK, put(bytes(16), 0), 101),
    "proof signature changed": (M.TO1_PROVE_TO_RV, flipped(3), 101),
    "proof of another key": (
        M.TO1_PROVE_TO_RV,
        resigned(STRANGER.device_signer),
        101,
    ),
    "proof under another algorithm": (
        M.TO1_PROVE_TO_RV,
        put(cbor.encode({1: -257}), 0),
        101,
    ),
    "proof under an unknown algorithm": (
        M.TO1_PROVE_TO_RV,
        put(cbor.encode({1: -8}), 0),
        101,
    ),
    "proof of another GUID": (
        M.TO1_PROVE_TO_RV,
        resigned(CHAIN.device_signer, put(b"\1" + bytes(16), 256)),
        101,
    ),
    "proof without a GUID": (
        M.TO1_PROVE_TO_RV,
        resigned(CHAIN.device_signer, lambda _old: cbor.encode({10: bytes(16)})),
        100,
    ),
    "to1d not signed at all": (M.TO1_RV_REDIRECT, lambda _old: b"\x80", 100),
    "to1d without a tag": (M.TO1_RV_REDIRECT, lambda old: old[1:], 100),
}


@pytest.mark.parametrize("name", TO1_CASES)
def test_one_wrong_thing_ends_to1_with_its_code(name: str) -> None:
    kind, alteration, code = TO1_CASES[name]
    assert code_of(to1({kind: alteration}).run) == code


@pytest.mark.parametrize("wrong", NO_CBOR)
@pytest.mark.parametrize(
    "kind", [M.TO1_HELLO_RV, M.TO1_HELLO_RV_ACK, M.TO1_PROVE_TO_RV, M.TO1_RV_REDIRECT]
)
def test_what_is_no_such_message_is_error_100(kind: MsgType, wrong: str) -> None:
    alter = {kind: NO_CBOR[wrong]}
    assert code_of(to1(alter).run) == 100


def test_messages_without_their_place_are_refused() -> None:
    pair = to1()
    move = pair.client.start()
    for _ in range(2):
        state = pair.state and TO1.decode_state(pair.state)
        for msg in set(MsgType) - {move.type}:
            step = partial(TO1.step, state, msg, b"", pair.env)
            assert code_of(step) == 101
        move = pair.client.receive(*pair.serve(move.type, move.body))
