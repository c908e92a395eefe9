"""Capability flags of FDO 2.0 under 1.1: skipped where they may stand, never sent."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from onboarding.wire.message import MsgType
from ownership_vouchers import cbor
from ownership_vouchers.errors import MalformedError
from ownership_vouchers.types import Hash, HashType
from tests.support.alterations import change
from tests.support.fdo_roles import Roles
from tests.support.message_vectors import DECODERS, good
from tests.support.short_roles import di, to0, to1
from tests.support.supply_chain import SupplyChain
from tests.support.wire_pair import WirePair

M = MsgType
READ: Mapping[MsgType, Callable[[bytes], Any]] = DECODERS
FLAGGED = (
    M.DI_APP_START,
    M.TO0_HELLO,
    M.TO1_HELLO_RV,
    M.TO1_HELLO_RV_ACK,
    M.TO2_HELLO_DEVICE,
    M.TO2_PROVE_OV_HDR,
)
FORMS: Mapping[str, list[object]] = {
    "flags": [b"\x01"],
    "no bit set": [b""],
    "flags and names": [b"\x01", ["com.example.a", "com.example.b"]],
    "flags and what is not invented yet": [b"\x01", [], {1: 2}, None],
    "an array of its own": [[b"\x01"]],
    "an array of its own with names": [[b"\x01", ["com.example.a"]]],
}
WRONG: Mapping[str, list[object]] = {
    "a number": [1],
    "text": ["flags"],
    "null": [None],
    "names alone": [["com.example.a"]],
    "an empty array": [[]],
    "an array in an array": [[[b"\x01"]]],
    "flags of 65 bytes": [bytes(65)],
    "nine items": [b"\x01", *[0] * 8],
    "nine items in an array": [[b"\x01", *[0] * 8]],
}


def trailed(*items: object) -> Callable[[bytes], bytes]:
    """Put items at the end of a message's array, all else in its own bytes."""
    more = [cbor.encode(one) for one in items]
    return lambda data: cbor.join((*cbor.split(data), *more))


def appended(kind: MsgType, items: list[object]) -> Callable[[bytes], bytes]:
    """Where the flags of a message stand: in 61 inside what is signed."""
    add = trailed(*items)
    return change(add, 2) if kind is M.TO2_PROVE_OV_HDR else add


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", FLAGGED)
def test_flags_are_skipped(kind: MsgType, form: str) -> None:
    plain, _ = good(kind)
    read = READ[kind](appended(kind, FORMS[form])(plain))
    assert read.encode() == plain or kind is M.TO2_PROVE_OV_HDR


@pytest.mark.parametrize("form", WRONG)
@pytest.mark.parametrize("kind", FLAGGED)
def test_anything_else_at_the_end_is_refused(kind: MsgType, form: str) -> None:
    plain, _ = good(kind)
    with pytest.raises(MalformedError):
        READ[kind](appended(kind, WRONG[form])(plain))


def is_array(kind: MsgType) -> bool:
    return good(kind)[0][0] >> 5 == 4


OTHERS = [one for one in DECODERS if one not in FLAGGED and is_array(one)]


@pytest.mark.parametrize("kind", OTHERS)
def test_no_other_message_may_have_them(kind: MsgType) -> None:
    plain, _ = good(kind)
    with pytest.raises(MalformedError):
        READ[kind](trailed(b"\x01")(plain))


@pytest.mark.parametrize("form", FORMS)
def test_every_protocol_runs_with_flags_and_answers_without(form: str) -> None:
    add = {kind: trailed(*FORMS[form]) for kind in FLAGGED[:3]}
    pairs: list[WirePair[Any]] = [di(add), to0(add), to1(add)]
    for pair in pairs:
        pair.run()
        hello, answer, *_ = pair.passed
        assert add[hello.type](READ[hello.type](hello.body).encode()) == hello.body
        assert READ[answer.type](answer.body).encode() == answer.body


def test_the_owner_answers_for_the_hello_as_it_came() -> None:
    chain = SupplyChain().make_device().sell_to("owner")
    pair = Roles(chain).to2(alter={M.TO2_HELLO_DEVICE: trailed(b"\x01")})
    hello = pair.client.start()
    _, answer = pair.serve(hello.type, hello.body)
    (received,) = (one.body for one in pair.passed if one.type is hello.type)
    assert received != hello.body
    proved = READ[M.TO2_PROVE_OV_HDR](answer)
    claimed: Hash = proved.payload.hello_hash
    assert claimed.same(Hash.of(HashType(claimed.type), received))
