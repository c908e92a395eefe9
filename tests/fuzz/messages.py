"""Targets for each message: its decoder, the step that takes it, its signed part.

A fuzzer does not find a signature, so what is signed is fuzzed before we sign it
with the right key: what lies behind the signature check is reached that way.
"""

import secrets
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from typing import Any

from onboarding.protocol.env import DiServerEnv
from onboarding.protocol.exchange_device import DeviceExchange
from onboarding.protocol.registry import ROLES, ServerRole
from onboarding.protocol.step import ProtocolVersion, Send
from onboarding.protocol.to2_checks import check_prove_ov_hdr
from onboarding.protocol.to2_states import AwaitingReady, Serving
from onboarding.wire.message import MsgType
from onboarding.wire.serviceinfo import OwnerServiceInfo
from onboarding.wire.to2 import (
    CUPH_NONCE,
    CUPH_OWNER_KEY,
    EUPH_NONCE,
    HelloDevice,
    OvNextEntry,
    ProveOvHdr,
)
from onboarding.wire.to2_secure import SetupDevice
from ownership_vouchers import cbor
from ownership_vouchers.cose import Sign1, sign1
from ownership_vouchers.types import Hash
from tests.fuzz.formats import plains
from tests.fuzz.target import Target, reads
from tests.support.fdo_roles import FACTS
from tests.support.message_vectors import BAD, DECODERS, good
from tests.support.short_roles import CHAIN, di, to0, to1
from tests.support.short_roles import ROLES as BOTH
from tests.support.wire_pair import WirePair

M = MsgType
OWNER, DEVICE = CHAIN.owner.signer, CHAIN.device_signer


def _decode(kind: MsgType, data: bytes) -> None:
    """What a decoder takes, it takes again as we write it, with the same sense."""
    message: Any = DECODERS[kind](data)
    written = message.encode()
    assert DECODERS[kind](written).encode() == written  # type: ignore[attr-defined]


def _message_seeds(kind: MsgType) -> list[bytes]:
    taken = good(kind)[0]
    return [taken, *(alter(taken) for alter in BAD[kind].values())]


def _decoder(kind: MsgType) -> Target:
    run = reads(partial(_decode, kind))
    return Target(f"message-{int(kind):03}", run, partial(_message_seeds, kind))


@cache
def _run(role: ServerRole) -> dict[MsgType, tuple[object, object, bytes]]:
    """For each message of a run that passes: state before it, Env, plain body."""
    pairs: dict[str, Callable[[], WirePair[Any]]] = {
        "DI": di,
        "TO0": to0,
        "TO1": to1,
        "TO2": BOTH.to2,
    }
    pair = pairs[role.name]()
    if isinstance(pair.env, DiServerEnv):
        issued = CHAIN.voucher.cert_chain or ()
        pair.env = replace(pair.env, issue=lambda _key, _serial: issued)
    move = pair.client.start()
    found: dict[MsgType, tuple[object, object, bytes]] = {}
    while isinstance(move, Send):
        state = None if pair.state is None else role.decode_state(pair.state)
        answer = pair.serve(move.type, move.body)
        found[move.type] = state, pair.env, pair.plains(move.type)[-1]
        move = pair.client.receive(*answer)
    return found


def _step(role: ServerRole, kind: MsgType, data: bytes) -> None:
    state, env, _ = _run(role)[kind]
    if isinstance(state, AwaitingReady | Serving):
        data = state.session.tunnel.seal(data, secrets.token_bytes, 1 << 31)
    role.step(state, kind, data, env)


def _stepper(role: ServerRole, kind: MsgType) -> Target:
    run = reads(partial(_step, role, kind))
    return Target(f"step-{int(kind):03}", run, lambda: [_run(role)[kind][2]])


def _prove(role: ServerRole, kind: MsgType, data: bytes) -> None:
    """32 and 64 with any claims, signed by the device."""
    state, env, _ = _run(role)[kind]
    headers: dict[object, object] = {}
    if kind is M.TO2_PROVE_DEVICE:
        headers[EUPH_NONCE] = bytes(16)
    role.step(state, kind, sign1(DEVICE, data, headers).encode(), env)


def _prover(role: ServerRole, kind: MsgType) -> Target:
    def seeds() -> list[bytes]:
        return [Sign1.from_cbor(_run(role)[kind][2]).payload]

    return Target(f"claims-{int(kind):03}", reads(partial(_prove, role, kind)), seeds)


def _to1d(role: ServerRole, data: bytes) -> None:
    """22 with any addresses and hash, signed by the owner."""
    state, env, body = _run(role)[M.TO0_OWNER_SIGN]
    to0d, _ = cbor.split(body)
    changed = cbor.join((to0d, sign1(OWNER, data).encode()))
    role.step(state, M.TO0_OWNER_SIGN, changed, env)


def _to0d(role: ServerRole, data: bytes) -> None:
    """22 with any voucher, and a to1d that fits it."""
    state, env, body = _run(role)[M.TO0_OWNER_SIGN]
    signed = Sign1.from_cbor(cbor.split(body)[1])
    addresses, claimed = cbor.array(cbor.decode(signed.payload))
    fits = Hash.of(Hash.from_item(claimed).type, data).to_item()
    to1d = sign1(OWNER, cbor.encode([addresses, fits])).encode()
    changed = cbor.join((cbor.encode(data), to1d))
    role.step(state, M.TO0_OWNER_SIGN, changed, env)


def _to0_parts() -> tuple[bytes, bytes]:
    to0d, to1d = cbor.split(_run(_TO0)[M.TO0_OWNER_SIGN][2])
    return cbor.bstr(cbor.decode(to0d)), Sign1.from_cbor(to1d).payload


@cache
def _opening() -> tuple[HelloDevice, ProveOvHdr, bytes]:
    """60 of a device, with the 61 and the first 63 that answer it."""
    pair = BOTH.to2()
    pair.run()
    hello = HelloDevice.from_cbor(pair.plains(M.TO2_HELLO_DEVICE)[0])
    proof = ProveOvHdr.from_cbor(pair.plains(M.TO2_PROVE_OV_HDR)[0])
    return hello, proof, pair.plains(M.TO2_OV_NEXT_ENTRY)[0]


def _owner_proves(data: bytes) -> None:
    """61 with any payload, signed by the owner, at the device."""
    hello, proof, _ = _opening()
    headers: dict[object, object] = {
        CUPH_NONCE: proof.nonce,
        CUPH_OWNER_KEY: proof.owner_key.to_item(),
    }
    body = sign1(OWNER, data, headers).encode()
    check_prove_ov_hdr(ProveOvHdr.from_cbor(body), hello, BOTH.device_env())


def _entry_comes(data: bytes) -> None:
    """63 with any payload, signed by who has to, at the device."""
    hello, proof, _ = _opening()
    walk = check_prove_ov_hdr(proof, hello, BOTH.device_env())
    entry = sign1(CHAIN.manufacturer.signer, data).encode()
    walk.take(OvNextEntry(0, entry))


def _entry_seeds() -> list[bytes]:
    return [CHAIN.voucher.entries[0].sign1.payload]


def _owner_sets_up(data: bytes) -> None:
    """65 with any payload, signed by the owner."""
    SetupDevice.from_cbor(sign1(OWNER, data).encode())


def _owner_speaks(data: bytes) -> None:
    """Any 69, after the device's devmod has been sent."""
    exchange = DeviceExchange(FACTS, (), 1300)
    exchange.first()
    answer = exchange.receive(OwnerServiceInfo.from_cbor(data))
    assert answer is None or len(answer.encode()) <= 1300


def _payloads(kind: MsgType) -> list[bytes]:
    return [Sign1.from_cbor(one).payload for one in plains(kind)]


_ROLES = ROLES[ProtocolVersion.FDO_1_1]
_BY_NAME = {role.name: role for role in _ROLES}
_TO0, _TO1, _TO2 = (_BY_NAME[name] for name in ("TO0", "TO1", "TO2"))
TARGETS = (
    *(_decoder(kind) for kind in DECODERS),
    *(_stepper(role, M(kind)) for role in _ROLES for kind in sorted(role.messages)),
    _prover(_TO1, M.TO1_PROVE_TO_RV),
    _prover(_TO2, M.TO2_PROVE_DEVICE),
    Target("to1d-022", reads(partial(_to1d, _TO0)), lambda: [_to0_parts()[1]]),
    Target("to0d-022", reads(partial(_to0d, _TO0)), lambda: [_to0_parts()[0]]),
    Target(
        "payload-061",
        reads(_owner_proves),
        lambda: [_opening()[1].payload.encode(), *_payloads(M.TO2_PROVE_OV_HDR)],
    ),
    Target("payload-063", reads(_entry_comes), _entry_seeds),
    Target(
        "payload-065",
        reads(_owner_sets_up),
        lambda: _payloads(M.TO2_SETUP_DEVICE),
    ),
    Target(
        "device-069", reads(_owner_speaks), lambda: plains(M.TO2_OWNER_SERVICE_INFO)
    ),
)
