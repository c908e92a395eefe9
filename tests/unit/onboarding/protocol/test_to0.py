"""TO0: both roles joined, and every single wrong thing."""

import secrets
from functools import partial

import pytest
from cryptography.hazmat.primitives import hashes

from onboarding.protocol.errors import VoucherRefused
from onboarding.protocol.registration import Registration, Terms
from onboarding.protocol.registry import TO0
from onboarding.wire.message import MsgType
from ownership_vouchers import cbor
from ownership_vouchers.keys import PublicKey
from ownership_vouchers.types import Guid, HashType
from tests.support.alterations import (
    NO_CBOR,
    Alteration,
    change,
    flipped,
    put,
    resigned,
)
from tests.support.refusals import code_of
from tests.support.short_roles import CHAIN, registered, to0
from tests.support.supply_chain import SupplyChain

M = MsgType


def test_rendezvous_registers_the_owner_for_as_long_as_it_likes() -> None:
    assert to0().run() == 3600
    terms = Terms(minimum=60, maximum=600, usual=300)
    for asked, granted in (
        (1, 60),
        (60, 60),
        (61, 61),
        (600, 600),
        (601, 600),
        (2**31 - 1, 600),
        (0, 300),
        (2**31, 300),
        (0xFFFFFFFF, 300),
    ):
        assert to0(wait=asked, terms=terms).run() == granted


def owner_signs(alter: Alteration) -> Alteration:
    """Change the payload of to1d and have the owner sign it."""
    return change_raw(1, resigned(CHAIN.owner.signer, alter))


def change_raw(index: int, alter: Alteration) -> Alteration:
    """Change one item of an array in its own bytes."""

    def altered(data: bytes) -> bytes:
        items = list(cbor.split(data))
        items[index] = alter(items[index])
        return cbor.join(items)

    return altered


def to0d(alter: Alteration) -> Alteration:
    """Change to0d, with a to1d whose hash fits the change."""

    def altered(data: bytes) -> bytes:
        raw, to1d = cbor.split(data)
        changed = alter(cbor.bstr(cbor.decode(raw)))
        digest = HashType.SHA256
        fits = resigned(CHAIN.owner.signer, put([int(digest), _sha256(changed)], 1))
        return cbor.join((cbor.encode(changed), fits(to1d)))

    return altered


def _sha256(data: bytes) -> bytes:
    digest = hashes.Hash(hashes.SHA256())
    digest.update(data)
    return digest.finalize()


STRANGER = SupplyChain().make_device().sell_to("owner")
ENTRY = [None, "o.example.test", 80, 3]
TO0_CASES: dict[str, tuple[MsgType, Alteration, int]] = {
    "nonce of another run": (M.TO0_HELLO_ACK, put(bytes(16), 0), 101),
    "nonce too short": (M.TO0_HELLO_ACK, put(bytes(15), 0), 100),
    "to0d changed": (M.TO0_OWNER_SIGN, change(put(1, 1), 0), 101),
    "to0d not CBOR": (M.TO0_OWNER_SIGN, to0d(lambda _old: b"\xff"), 100),
    "wait seconds of 33 bits": (M.TO0_OWNER_SIGN, to0d(put(1 << 32, 1)), 100),
    "voucher is no voucher": (M.TO0_OWNER_SIGN, to0d(put([], 0)), 2),
    "voucher with a changed entry": (
        M.TO0_OWNER_SIGN,
        to0d(flipped(0, 4, 1, 3)),
        2,
    ),
    "voucher without entries": (M.TO0_OWNER_SIGN, to0d(put([], 0, 4)), 2),
    "voucher without its last entry": (
        M.TO0_OWNER_SIGN,
        to0d(change(lambda entries: entries[:-1], 0, 4)),
        3,
    ),
    "voucher with another device chain": (
        M.TO0_OWNER_SIGN,
        to0d(put(list(STRANGER.voucher.cert_chain or ()), 0, 3)),
        2,
    ),
    "voucher of another owner": (
        M.TO0_OWNER_SIGN,
        to0d(change_raw(0, lambda _old: STRANGER.voucher.raw)),
        3,
    ),
    "to1d signature changed": (M.TO0_OWNER_SIGN, flipped(1, 3), 3),
    "to1d signed by another": (
        M.TO0_OWNER_SIGN,
        change_raw(1, resigned(STRANGER.owner.signer)),
        3,
    ),
    "to1d without a tag": (
        M.TO0_OWNER_SIGN,
        change_raw(1, lambda raw: raw[1:]),
        100,
    ),
    "to1d with an open header": (M.TO0_OWNER_SIGN, put({1: 2}, 1, 1), 100),
    "to1d hash changed": (M.TO0_OWNER_SIGN, owner_signs(flipped(1, 1)), 101),
    "to1d hash is an HMAC": (M.TO0_OWNER_SIGN, owner_signs(put(5, 1, 0)), 101),
    "no address": (M.TO0_OWNER_SIGN, owner_signs(put([], 0)), 101),
    "IP address of 5 bytes": (
        M.TO0_OWNER_SIGN,
        owner_signs(put(bytes(5), 0, 0, 0)),
        4,
    ),
    "neither IP nor DNS": (
        M.TO0_OWNER_SIGN,
        owner_signs(put([None, None, 80, 3], 0, 0)),
        101,
    ),
    "port 0": (M.TO0_OWNER_SIGN, owner_signs(put(0, 0, 0, 2)), 101),
    "port of 17 bits": (M.TO0_OWNER_SIGN, owner_signs(put(65536, 0, 0, 2)), 101),
    "unknown transport": (M.TO0_OWNER_SIGN, owner_signs(put(7, 0, 0, 3)), 101),
    "33 addresses": (M.TO0_OWNER_SIGN, owner_signs(put([ENTRY] * 33, 0)), 101),
    "addresses not an array": (M.TO0_OWNER_SIGN, owner_signs(put("x", 0)), 100),
    "granted 33 bits": (M.TO0_ACCEPT_OWNER, put(1 << 32, 0), 100),
}


@pytest.mark.parametrize("name", TO0_CASES)
def test_one_wrong_thing_ends_to0_with_its_code(name: str) -> None:
    kind, alteration, code = TO0_CASES[name]
    pair = to0({kind: alteration})
    assert code_of(pair.run) == code
    if kind is not M.TO0_ACCEPT_OWNER:
        assert pair.effects == []


def test_to0d_may_come_unwrapped() -> None:
    unwrapped = change_raw(0, lambda raw: cbor.bstr(cbor.decode(raw)))
    assert to0({M.TO0_OWNER_SIGN: unwrapped}).run() == 3600


def test_rendezvous_admits_whom_its_operator_admits() -> None:
    heard = []

    def objection(maker: PublicKey, owner: PublicKey) -> str:
        heard.append((maker.fingerprint(), owner.fingerprint()))
        return "not them"

    with pytest.raises(VoucherRefused, match="not them"):
        to0(objection=objection).run()
    voucher = CHAIN.voucher
    ends = (voucher.header.manufacturer_key, voucher.owner_key)
    assert heard == [tuple(one.fingerprint() for one in ends)]


def test_rendezvous_wants_device_chains_of_its_roots() -> None:
    assert code_of(to0(device_roots=[STRANGER.device_root]).run) == 2


def test_a_longer_chain_takes_over_and_a_shorter_or_foreign_one_does_not() -> None:
    guid = Guid(secrets.token_bytes(16))
    chain = SupplyChain().make_device(guid=guid).sell_to("first")
    shorter = chain.voucher
    first = registered(chain)
    again = registered(chain, find_registration=lambda _guid: first)
    assert len(again.claim.entry_digests) == 1
    second = registered(chain.sell_to("second"), find_registration=lambda _guid: again)
    assert second.claim.owner == chain.owner.public_key.fingerprint()
    assert second.claim.objection(Registration.of(shorter, b"", b"").claim)

    foreign = SupplyChain().make_device(guid=guid).sell_to("thief").sell_to("thief")
    for other in (foreign, foreign.sell_to("thief")):
        held = to0(chain=other, find_registration=lambda _guid: second)
        assert code_of(held.run) == 2


@pytest.mark.parametrize("wrong", NO_CBOR)
@pytest.mark.parametrize(
    "kind", [M.TO0_HELLO_ACK, M.TO0_OWNER_SIGN, M.TO0_ACCEPT_OWNER]
)
def test_what_is_no_such_message_is_error_100(kind: MsgType, wrong: str) -> None:
    alter = {kind: NO_CBOR[wrong]}
    assert code_of(to0(alter).run) == 100


def test_messages_without_their_place_are_refused() -> None:
    pair = to0()
    move = pair.client.start()
    for _ in range(2):
        state = pair.state and TO0.decode_state(pair.state)
        for msg in set(MsgType) - {move.type}:
            step = partial(TO0.step, state, msg, b"", pair.env)
            assert code_of(step) == 101
        move = pair.client.receive(*pair.serve(move.type, move.body))


@pytest.mark.parametrize("wrong", sorted(set(NO_CBOR) - {"an item too few"}))
def test_hello_is_an_empty_array_and_nothing_else(wrong: str) -> None:
    assert code_of(to0({M.TO0_HELLO: NO_CBOR[wrong]}).run) == 100
