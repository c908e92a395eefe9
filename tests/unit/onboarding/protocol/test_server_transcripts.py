"""Recorded runs replayed against our server roles.

Nonces, GUIDs and ephemeral keys are those of the record, so every reply must be
the recorded one, except ECDSA signatures (verified instead) and IVs.
"""

from dataclasses import replace

import pytest

from onboarding.protocol import di_server, to0_rendezvous, to1_rendezvous, to2_owner
from onboarding.protocol.ciphers import AEADS
from onboarding.protocol.env import (
    DiServerEnv,
    To0RendezvousEnv,
    To1RendezvousEnv,
)
from onboarding.protocol.errors import NotFound, Unsupported, error_code
from onboarding.protocol.fdo_command import CommandModule
from onboarding.protocol.fdo_upload import UploadModule
from onboarding.protocol.fdo_wget import WgetModule
from onboarding.protocol.modules import (
    OwnerModule,
    Progress,
)
from onboarding.protocol.step import StoreRegistration, StoreVoucher, TakeOwnership
from onboarding.protocol.to2_states import AwaitingReady, Opening
from onboarding.wire.chunks import reassemble
from onboarding.wire.message import MsgType
from onboarding.wire.serviceinfo import DeviceServiceInfo, Kv
from ownership_vouchers.algorithms import SoftSigner
from ownership_vouchers.cose import Sign1
from tests.support.fdo_roles import NOW
from tests.support.module_pair import context
from tests.support.recorded_owner import (
    owner_env,
    owner_rounds,
    without_signature,
)
from tests.support.transcripts import (
    ASYMKEX,
    CBC128,
    CTR256,
    EVERY,
    FSIMS,
    Drawn,
    Transcript,
    items,
)

WITH_RENDEZVOUS = tuple(name for name in EVERY if name != CTR256)
TUNNEL_KINDS = (
    MsgType.TO2_DEVICE_SERVICE_INFO_READY,
    MsgType.TO2_DEVICE_SERVICE_INFO,
    MsgType.TO2_DONE,
)


@pytest.mark.parametrize("name", EVERY)
def test_di_gives_the_recorded_header_and_voucher(name: str) -> None:
    record = Transcript(name)
    voucher = record.voucher("after_di")
    env = DiServerEnv(
        NOW,
        Drawn(voucher.guid.raw),
        lambda _info: voucher.header.rv_info,
        lambda _kind, _encoding, _key: voucher.header.manufacturer_key,
        lambda _key, _serial: voucher.cert_chain or (),
    )
    start, set_credentials, set_hmac, done = record.messages("di")
    first = di_server.step(None, start.type, start.wire, env)
    assert (first.reply_type, first.reply) == (
        set_credentials.type,
        set_credentials.wire,
    )
    assert first.state is not None
    state = di_server.decode_state(first.state.encode())
    last = di_server.step(state, set_hmac.type, set_hmac.wire, env)
    assert (last.state, last.reply_type, last.reply) == (None, done.type, done.wire)
    (effect,) = last.effects
    assert isinstance(effect, StoreVoucher)
    assert effect.voucher.raw == voucher.raw


@pytest.mark.parametrize("name", WITH_RENDEZVOUS)
def test_rendezvous_answers_both_sides_as_recorded(name: str) -> None:
    record = Transcript(name)
    hello, ack, sign, accept = record.messages("to0")
    to0 = To0RendezvousEnv(NOW, Drawn(items(ack.wire)[0]), lambda _guid: None)
    first = to0_rendezvous.step(None, hello.type, hello.wire, to0)
    assert first.reply == ack.wire
    assert first.state is not None
    state = to0_rendezvous.decode_state(first.state.encode())
    last = to0_rendezvous.step(state, sign.type, sign.wire, to0)
    assert (last.reply_type, last.reply) == (accept.type, accept.wire)
    (effect,) = last.effects
    assert isinstance(effect, StoreRegistration)
    kept = effect.registration

    ask, ask_ack, prove, redirect = record.messages("to1")
    to1 = To1RendezvousEnv(Drawn(items(ask_ack.wire)[0]), lambda _guid: kept)
    step = to1_rendezvous.step(None, ask.type, ask.wire, to1)
    assert step.reply == ask_ack.wire
    assert step.state is not None
    proof = to1_rendezvous.decode_state(step.state.encode())
    end = to1_rendezvous.step(proof, prove.type, prove.wire, to1)
    assert (end.state, end.reply_type, end.reply) == (
        None,
        redirect.type,
        redirect.wire,
    )


def test_rendezvous_knows_nothing_of_a_device_before_to0() -> None:
    request, answer = Transcript(FSIMS).messages("to1_before_to0_error")
    env = To1RendezvousEnv(Drawn(), lambda _guid: None)
    with pytest.raises(NotFound) as refused:
        to1_rendezvous.step(None, request.type, request.wire, env)
    assert error_code(refused.value) == items(answer.wire)[0]


@pytest.mark.parametrize("name", EVERY)
def test_owner_answers_to2_as_recorded(name: str) -> None:
    record = Transcript(name)
    env = owner_env(record)
    owner_key = record.voucher("for_owner").owner_key.key
    said = [one.encode() for one in owner_rounds(record)]
    messages = record.messages("to2")
    state: to2_owner.State | None = None
    effects: tuple[object, ...] = ()
    for request, reply in zip(messages[::2], messages[1::2], strict=True):
        step = to2_owner.step(state, request.type, request.wire, env)
        assert step.reply_type is reply.type
        plain = step.reply
        if isinstance(state, AwaitingReady) or request.type in TUNNEL_KINDS:
            assert state is not None
            assert not isinstance(state, Opening)
            plain = state.session.tunnel.open(step.reply)
        elif isinstance(step.state, AwaitingReady):
            plain = step.state.session.tunnel.open(step.reply)
        if reply.type in (MsgType.TO2_PROVE_OV_HDR, MsgType.TO2_SETUP_DEVICE):
            assert without_signature(plain) == without_signature(reply.plain)
            Sign1.from_cbor(plain, tagged=True).verify(owner_key)
        elif reply.type is MsgType.TO2_OWNER_SERVICE_INFO:
            assert plain == said.pop(0)
        else:
            assert plain == reply.plain
        effects += step.effects
        state = None
        if step.state is not None:
            state = to2_owner.decode_state(step.state.encode())
    assert (state, said) == (None, [])
    (taken,) = effects
    assert isinstance(taken, TakeOwnership)
    assert taken.new_voucher is not None
    assert taken.new_voucher.raw == record.voucher("after_to2").raw
    assert taken.devmod["os"] == "Linux"


def test_owner_modules_hear_what_the_recorded_device_said() -> None:
    record = Transcript(FSIMS)
    env = owner_env(record)
    state: to2_owner.State | None = None
    for request in record.messages("to2")[::2]:
        state = to2_owner.step(state, request.type, request.wire, env).state  # type: ignore[assignment]
    plan = env.modules(record.voucher("for_owner").guid, None)
    modules = {one.name: one for one in plan.modules}
    heard = {name: [what for what, _ in one.heard] for name, one in modules.items()}  # type: ignore[attr-defined]
    assert heard == {
        "fdo.download": ["done"],
        "fdo.upload": ["length", "data", "data", "sha-384"],
        "fdo.command": ["stdout", "exitcode"],
        "fdo.wget": ["done"],
    }


OURS: dict[str, OwnerModule] = {
    "fdo.upload": UploadModule("/any", max_bytes=4096),
    "fdo.command": CommandModule("/any"),
    "fdo.wget": WgetModule("https://files.example.test/any"),
}


@pytest.mark.parametrize("name", OURS)
def test_our_modules_take_what_the_recorded_device_said(name: str) -> None:
    module, ctx = OURS[name], context()
    state, _, _ = module.produce(module.start(ctx), 1300, ctx)
    partial: Kv | None = None
    for one in Transcript(FSIMS).of(MsgType.TO2_DEVICE_SERVICE_INFO):
        message = DeviceServiceInfo.from_cbor(one.plain)
        items, partial = reassemble(partial, message.kvs, more=message.more)
        for key, value in items:
            kind, _, said = key.partition(":")
            if kind == name and said != "active":
                state = module.receive(state, said, value, ctx)
    _, _, progress = module.produce(state, 1300, ctx)
    assert progress is Progress.DONE
    result = module.result(state)
    assert result.ok
    told = result.facts["bytes"]
    assert isinstance(told, int)
    assert told > 0


@pytest.mark.parametrize("name", [CTR256, CBC128])
def test_a_suite_of_private_dialect_is_refused_in_60_unless_served(name: str) -> None:
    record = Transcript(name)
    hello = record.one(MsgType.TO2_HELLO_DEVICE)
    env = replace(owner_env(record), ciphers=AEADS)
    with pytest.raises(Unsupported) as refused:
        to2_owner.step(None, hello.type, hello.wire, env)
    assert error_code(refused.value) == 101


def test_asymkex_is_refused_in_60_when_the_owner_key_only_signs() -> None:
    record = Transcript(ASYMKEX)
    hello = record.one(MsgType.TO2_HELLO_DEVICE)
    env = owner_env(record)
    owned = env.find_voucher(record.voucher("for_owner").guid)
    assert owned is not None
    signs_only = replace(owned, signer=SignsOnly(record.signer("owner")))
    env = replace(env, find_voucher=lambda _guid: signs_only)
    with pytest.raises(Unsupported):
        to2_owner.step(None, hello.type, hello.wire, env)


class SignsOnly:
    """An owner key whose custody does not decrypt."""

    decrypter = None

    def __init__(self, signer: SoftSigner) -> None:
        self.alg = int(signer.alg)
        self.sign = signer.sign
