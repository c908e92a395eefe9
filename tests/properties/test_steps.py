"""From any bytes a step gives an answer or one of our own errors."""

import secrets
from collections.abc import Callable
from functools import lru_cache, partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onboarding.protocol.devmod import Devmod
from onboarding.protocol.exchange import Exchange
from onboarding.protocol.kex import half_from_item
from onboarding.protocol.kex.ecdh import EcdhParameter
from onboarding.protocol.registry import ROLES, TO2, ServerRole
from onboarding.protocol.step import ProtocolVersion, Send
from onboarding.protocol.to2_states import AwaitingReady, Serving
from onboarding.wire.message import ErrorCode, KexSuite, MsgType
from ownership_vouchers import cbor
from tests.support.any_bytes import ANY, STEADY, mutations, outcome
from tests.support.fdo_roles import Roles
from tests.support.short_roles import di
from tests.support.short_roles import to0 as to0_pair
from tests.support.short_roles import to1 as to1_pair
from tests.support.supply_chain import SupplyChain
from tests.support.wire_pair import WirePair

EVERY_TYPE = sorted(MsgType)


@lru_cache(maxsize=1)
def roles() -> Roles:
    return Roles(SupplyChain().make_device().sell_to("owner"))


def pair_of(role: ServerRole) -> WirePair[object]:
    pairs = {"DI": di, "TO0": to0_pair, "TO1": to1_pair, "TO2": roles().to2}
    pair: WirePair[object] = pairs[role.name]()  # type: ignore[operator]
    return pair


@lru_cache(maxsize=8)
def env_of(role: ServerRole) -> object:
    return pair_of(role).env


@lru_cache(maxsize=8)
def recorded(role: ServerRole) -> tuple[tuple[bytes | None, Send], ...]:
    """Every (state, message) of a run that passes."""
    pair = pair_of(role)
    move = pair.client.start()
    steps = []
    while isinstance(move, Send):
        steps.append((pair.state, move))
        move = pair.client.receive(*pair.serve(move.type, move.body))
    return tuple(steps)


PLACES = [
    (role, number)
    for role in ROLES[ProtocolVersion.FDO_1_1]
    for number in range(2 if role is not TO2 else 6)
]


@pytest.mark.parametrize(
    ("role", "number"), PLACES, ids=lambda one: getattr(one, "name", str(one))
)
@STEADY
@given(data=st.data())
def test_no_bytes_escape_a_step(
    role: ServerRole, number: int, data: st.DataObject
) -> None:
    state_bytes, move = recorded(role)[number]
    state = None if state_bytes is None else role.decode_state(state_bytes)
    body = data.draw(ANY | mutations(move.body))
    if isinstance(state, AwaitingReady | Serving) and data.draw(st.booleans()):
        tunnel = state.session.tunnel
        plain = data.draw(ANY | mutations(tunnel.open(move.body)))
        body = tunnel.seal(plain, secrets.token_bytes, 1 << 31)
    kind = data.draw(st.just(move.type) | st.sampled_from(EVERY_TYPE))
    env = env_of(role)
    outcome(partial(role.step, state, kind, body, env))


@pytest.mark.parametrize("answered", range(6))
@STEADY
@given(data=st.data())
def test_no_bytes_escape_the_device(answered: int, data: st.DataObject) -> None:
    """The device of TO2, after ``answered`` good answers."""
    pair = roles().to2()
    move = pair.client.start()
    for _ in range(answered):
        move = pair.client.receive(*pair.serve(move.type, move.body))
    kind, body = pair.serve(move.type, move.body)
    wrong = data.draw(ANY | mutations(body))
    if pair.tunnel is not None and kind >= MsgType.TO2_SETUP_DEVICE:
        plain = data.draw(ANY | mutations(pair.tunnel.open(body)))
        sealed = pair.tunnel.seal(plain, secrets.token_bytes, len(pair.passed))
        wrong = data.draw(st.sampled_from([wrong, sealed]))
    said = data.draw(st.just(kind) | st.sampled_from(EVERY_TYPE))
    outcome(partial(pair.client.receive, said, wrong))


STATES: dict[str, Callable[[bytes], object]] = {
    role.name: role.decode_state for role in ROLES[ProtocolVersion.FDO_1_1]
} | {
    "exchange": lambda data: Exchange.from_item(cbor.decode(data)),
    "devmod": Devmod.from_cbor,
    "ECDH256": lambda data: EcdhParameter.decode(data, KexSuite.ECDH256),
    "half": lambda data: half_from_item(cbor.decode(data)),
    "ECDH384": lambda data: EcdhParameter.decode(data, KexSuite.ECDH384),
}


@pytest.mark.parametrize("name", STATES)
@STEADY
@given(data=st.data())
def test_no_bytes_escape_a_state(name: str, data: st.DataObject) -> None:
    states = [ANY]
    for role in ROLES[ProtocolVersion.FDO_1_1]:
        states += [mutations(s) for s, _ in recorded(role) if s and role.name == name]
    code = outcome(partial(STATES[name], data.draw(st.one_of(states))))
    assert code in (None, ErrorCode.MESSAGE_BODY_ERROR, ErrorCode.INVALID_MESSAGE_ERROR)
