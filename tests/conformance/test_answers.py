"""Answers with one thing wrong, to a device or to an owner at a rendezvous server.

Both roles are ours, joined in memory, and the answer is changed on its way. The
client refuses it with its code, says nothing more, and ends with no result: what it
had before the run is what it has after it.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pytest

from onboarding.protocol.errors import PeerFailed
from onboarding.wire.error import ErrorMessage
from onboarding.wire.message import MsgType
from ownership_vouchers import cbor
from tests.support.alterations import HEADS, NO_CBOR, overwritten
from tests.support.answer_cases import DI, TO0, TO1, TO2
from tests.support.cases import Case, Wrong, just
from tests.support.certified_runs import cast_of
from tests.support.refusals import code_of
from tests.support.short_roles import CHAIN, ROLES, di, to0, to1
from tests.support.wire_pair import WirePair

CASES: Mapping[str, Case] = {**DI, **TO0, **TO1, **TO2}
CAST = cast_of(CHAIN, CHAIN.owner.signer)
PAIRS: Mapping[int, Callable[[], Any]] = {1: di, 2: to0, 3: to1, 6: ROLES.to2}
ANSWERS = [kind for kind in sorted(MsgType) if kind % 2 and kind is not MsgType.ERROR]


def pair_of(kind: MsgType) -> WirePair[Any]:
    pair: WirePair[Any] = PAIRS[min(int(kind) // 10, 6)]()
    return pair


# Who the owner is shows in the last entry only, and xA is not looked at before that.
WITH_THE_LAST_ENTRY = {
    "61 of a stranger with his own key",
    "61 one entry fewer",
    "61 key exchange off its curve",
    "61 key exchange cut",
}


def refused(case: Case, seen: MsgType | None = None) -> None:
    """Run with the wrong answer; ``seen`` is the answer by which it shows."""
    pair = pair_of(case.message)
    changes = {case.message: case.change(CAST)}
    pair.alter, pair.alter_wire = ({}, changes) if case.envelope else (changes, {})
    assert code_of(pair.run) == case.code
    assert pair.passed[-1].type is (seen or case.message)  # and not a word after it


@pytest.mark.parametrize("protocol", PAIRS)
def test_an_unaltered_run_passes(protocol: int) -> None:
    assert PAIRS[protocol]().run() is not None


@pytest.mark.parametrize("name", CASES)
def test_one_wrong_thing_is_refused_with_its_code(name: str) -> None:
    late = MsgType.TO2_OV_NEXT_ENTRY if name in WITH_THE_LAST_ENTRY else None
    refused(CASES[name], late)


@pytest.mark.parametrize("wrong", NO_CBOR)
@pytest.mark.parametrize("kind", ANSWERS)
def test_what_is_no_such_message_is_error_100(kind: MsgType, wrong: str) -> None:
    if kind is MsgType.DI_DONE and wrong == "an item too few":
        return  # none is what there must be
    refused(Case(kind, Wrong.ENCODING, just(NO_CBOR[wrong]), 100))


@pytest.mark.parametrize("part", range(1, 8))
@pytest.mark.parametrize("kind", ANSWERS)
def test_a_truncated_answer_is_error_100(kind: MsgType, part: int) -> None:
    cut = just(lambda data: data[: len(data) * part // 8])
    refused(Case(kind, Wrong.ENCODING, cut, 100, envelope=bool(part % 2)))


@pytest.mark.parametrize("head", HEADS, ids=bytes.hex)
@pytest.mark.parametrize("kind", ANSWERS)
def test_an_overwritten_answer_is_error_100(kind: MsgType, head: bytes) -> None:
    wrong = just(overwritten(head))
    refused(Case(kind, Wrong.ENCODING, wrong, 100))
    refused(Case(kind, Wrong.ENCODING, wrong, 100, envelope=True))


@pytest.mark.parametrize("kind", ANSWERS)
def test_an_answer_of_many_items_is_error_100(kind: MsgType) -> None:
    many = b"\x99\xff\xf0" + b"\x80" * 0xFFF0
    refused(Case(kind, Wrong.SIZE, just(lambda _data: many), 100, envelope=True))


@pytest.mark.parametrize("kind", ANSWERS)
def test_an_answer_of_another_type_is_error_101(kind: MsgType) -> None:
    """Every type is tried in place of the right one; each time the run is over."""
    for other in sorted(set(MsgType) - {kind, MsgType.ERROR}):
        pair = pair_of(kind)
        answer = _answer(pair, kind)
        assert code_of(partial(pair.client.receive, other, answer)) == 101


@pytest.mark.parametrize("kind", ANSWERS)
def test_an_error_of_the_server_ends_the_run(kind: MsgType) -> None:
    pair = pair_of(kind)
    _answer(pair, kind)
    body = ErrorMessage(500, int(kind) - 1, "no", 0, 0).encode()
    with pytest.raises(PeerFailed):
        pair.client.receive(MsgType.ERROR, body)


def _answer(pair: WirePair[Any], kind: MsgType) -> bytes:
    """Run until the server has answered with that type; return its answer."""
    move = pair.client.start()
    while True:
        given, body = pair.serve(move.type, move.body)
        if given is kind:
            return body
        move = pair.client.receive(given, body)


@pytest.mark.parametrize("kind", [kind for kind in ANSWERS if kind > 60])
def test_an_answer_of_another_run_is_refused(kind: MsgType) -> None:
    """What an owner said once, to the same device, is worth nothing later."""
    first, second = pair_of(kind), pair_of(kind)
    old = _answer(first, kind)
    _answer(second, kind)
    if kind is MsgType.TO2_OV_NEXT_ENTRY:
        return  # entries are the same in all runs
    wanted = 101 if kind is MsgType.TO2_PROVE_OV_HDR else 100
    assert code_of(partial(second.client.receive, kind, old)) == wanted


def test_a_copy_of_an_earlier_answer_is_not_obeyed_again() -> None:
    """Somebody on the way holds back a 69, and sends the one before it once more."""
    first: list[bytes] = []

    def again(body: bytes) -> bytes:
        first.append(body)
        return first[0]

    pair = ROLES.to2(device={"max_rounds": 5})
    kind = MsgType.TO2_OWNER_SERVICE_INFO
    pair.alter = {kind: lambda _plain: cbor.encode([True, False, []])}
    pair.alter_wire = {kind: again}
    assert code_of(pair.run) == 101
    assert pair.types.count(kind) == 2


def test_every_answer_has_every_wrong_thing_that_it_can_have() -> None:
    """Encoding, size and cutting are tried with every one, above."""
    tried = {(case.message, case.wrong) for case in CASES.values()}
    w, m = Wrong, MsgType
    wanted = {
        m.DI_SET_CREDENTIALS: {w.VOUCHER, w.SUITE},
        m.DI_DONE: set(),
        m.TO0_HELLO_ACK: {w.NONCE},
        m.TO0_ACCEPT_OWNER: {w.SIZE},
        m.TO1_HELLO_RV_ACK: {w.NONCE, w.SUITE},
        m.TO1_RV_REDIRECT: {w.SIGNATURE},
        m.TO2_PROVE_OV_HDR: set(Wrong) - {w.ADDRESS, w.ORDER},
        m.TO2_OV_NEXT_ENTRY: {w.INDEX, w.SIGNATURE, w.HASH, w.VOUCHER},
        m.TO2_SETUP_DEVICE: {w.SIGNATURE, w.NONCE, w.SUITE},
        m.TO2_OWNER_SERVICE_INFO_READY: {w.SIZE, w.SUITE},
        m.TO2_OWNER_SERVICE_INFO: {w.ORDER, w.SIZE, w.SUITE},
        m.TO2_DONE2: {w.NONCE, w.SUITE},
    }
    assert set(wanted) == set(ANSWERS)
    assert {(m, w) for m, found in wanted.items() for w in found} <= tried
