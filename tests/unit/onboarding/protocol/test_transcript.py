"""The digest over a run of TO2, computed here from what passed on the wire."""

import hashlib
from itertools import pairwise

import pytest

from onboarding.protocol.step import TakeOwnership
from onboarding.protocol.transcript import START, extend
from onboarding.wire.message import MsgType
from tests.support.fdo_roles import Roles
from tests.support.supply_chain import SupplyChain
from tests.support.wire_pair import Passed

_ENTRIES = (MsgType.TO2_GET_OV_NEXT_ENTRY, MsgType.TO2_OV_NEXT_ENTRY)


@pytest.fixture(scope="module")
def roles() -> Roles:
    return Roles(SupplyChain().make_device().sell_to("dealer").sell_to("owner"))


def run(roles: Roles) -> tuple[bytes, list[Passed]]:
    pair = roles.to2()
    pair.run()
    (effect,) = pair.effects
    assert isinstance(effect, TakeOwnership)
    return effect.transcript, [one for one in pair.passed if one.type not in _ENTRIES]


def computed(passed: list[Passed]) -> bytes:
    digest = bytes(32)
    for request, reply in zip(passed[::2], passed[1::2], strict=True):
        size = len(request.body).to_bytes(4, "big")
        digest = hashlib.sha256(digest + size + request.body + reply.body).digest()
    return digest


def test_the_digest_is_over_every_message_as_it_passed(roles: Roles) -> None:
    digest, passed = run(roles)
    assert digest == computed(passed)
    assert [int(passed[0].type), int(passed[-1].type)] == [60, 71]


def test_no_message_can_be_left_out_or_moved(roles: Roles) -> None:
    digest, passed = run(roles)
    pairs = list(zip(passed[::2], passed[1::2], strict=True))
    for at in range(len(pairs)):
        rest = [one for pair in pairs[:at] + pairs[at + 1 :] for one in pair]
        assert computed(rest) != digest
    for first, second in pairwise(range(len(pairs))):
        moved = [*pairs]
        moved[first], moved[second] = moved[second], moved[first]
        assert computed([one for pair in moved for one in pair]) != digest


def test_two_runs_have_two_digests(roles: Roles) -> None:
    assert run(roles)[0] != run(roles)[0]


def test_where_a_request_ends_and_its_reply_begins_counts() -> None:
    assert extend(START, b"ab", b"c") != extend(START, b"a", b"bc")
