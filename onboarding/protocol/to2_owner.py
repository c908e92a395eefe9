"""TO2, the owner's side. Source: FDO 1.1, section 5.5.

60 -> Opening -> 62 (again and again) -> Opening -> 64 -> AwaitingReady -> 66 ->
Serving -> 68 (until IsDone was sent, and after) -> Serving -> 70 -> device is ours.
"""

import hmac
from dataclasses import replace

from onboarding.protocol.ciphers import cipher_for
from onboarding.protocol.env import OwnedVoucher, To2OwnerEnv
from onboarding.protocol.errors import (
    MessageRefused,
    NotFound,
    UnexpectedMessage,
)
from onboarding.protocol.exchange import Exchange, ModuleRun
from onboarding.protocol.exchange_steps import Round, take_turn
from onboarding.protocol.kex import Draw, new_half, session_key, suite_for
from onboarding.protocol.step import Credential, Step, TakeOwnership
from onboarding.protocol.to1_rendezvous import check_sig_info
from onboarding.protocol.to2_states import (
    AwaitingReady,
    Opening,
    Serving,
    Session,
    State,
    decode_state,
)
from onboarding.protocol.transcript import START, extend
from onboarding.protocol.tunnel import Tunnel, mark_of
from onboarding.wire.chunks import DEFAULT_SIZE, SLACK, send_limit, size_limit
from onboarding.wire.message import MsgType
from onboarding.wire.serviceinfo import DeviceServiceInfo, OwnerServiceInfo
from onboarding.wire.to2 import (
    CUPH_NONCE,
    CUPH_OWNER_KEY,
    GetOvNextEntry,
    HelloDevice,
    OvNextEntry,
    ProveDevice,
    ProveOvHdr,
    ProveOvHdrPayload,
)
from onboarding.wire.to2_secure import (
    DeviceServiceInfoReady,
    Done,
    Done2,
    OwnerServiceInfoReady,
    SetupDevice,
    SetupDevicePayload,
)
from ownership_vouchers.algorithms import Signer
from ownership_vouchers.cose import sign1
from ownership_vouchers.types import NONCE_SIZE, Guid, Hash
from ownership_vouchers.voucher import Header, Voucher

__all__ = ["State", "decode_state", "step"]

MAX_MESSAGE_SIZE = 65535


def step(state: State | None, msg: MsgType, body: bytes, env: To2OwnerEnv) -> Step:
    """Advance a run by one message.

    62 leaves the state as it is and may be repeated. 64 must be let in once per
    token only; the caller sees to that before it calls.

    Raises:
        ProtocolError, VoucherError: See `errors.error_code`.
    """
    answered = _answer(state, msg, body, env)
    return answered if answered.state is state else _noted(answered, state, body)


def _noted(answered: Step, before: State | None, body: bytes) -> Step:
    """Add the exchange to the digest over the run, which ends in its effect."""
    said = extend(START if before is None else before.transcript, body, answered.reply)
    match answered.state:
        case Opening() | AwaitingReady() | Serving() as after:
            return Step(after.noted(said), answered.reply_type, answered.reply)
        case _:
            effects = tuple(
                replace(one, transcript=said)
                for one in answered.effects
                if isinstance(one, TakeOwnership)
            )
            return replace(answered, effects=effects)


def _answer(state: State | None, msg: MsgType, body: bytes, env: To2OwnerEnv) -> Step:
    match state, msg:
        case None, MsgType.TO2_HELLO_DEVICE:
            return _hello(HelloDevice.from_cbor(body), body, env)
        case Opening(), MsgType.TO2_GET_OV_NEXT_ENTRY:
            return _entry(state, GetOvNextEntry.from_cbor(body), env)
        case Opening(), MsgType.TO2_PROVE_DEVICE:
            return _prove(state, ProveDevice.from_cbor(body), env)
        case AwaitingReady(), MsgType.TO2_DEVICE_SERVICE_INFO_READY:
            return _ready(state, state.session.tunnel.open(body), env)
        case Serving(), MsgType.TO2_DEVICE_SERVICE_INFO:
            return _service_info(state, body, env)
        case Serving(), MsgType.TO2_DONE if state.exchange.done:
            return _done(state, state.session.tunnel.open(body), env)
    raise UnexpectedMessage(f"{msg.name} in {type(state).__name__}")


def _hello(message: HelloDevice, body: bytes, env: To2OwnerEnv) -> Step:
    owned = _find(message.guid, env)
    decrypts = env.asymkex and owned.signer.decrypter is not None
    suite = suite_for(message.kex_suite, owned.owner_key.key, decrypts=decrypts)
    cipher = cipher_for(message.cipher_suite, env.ciphers)
    check_sig_info(message.sig_info, owned.device_key)
    nonce = env.random(NONCE_SIZE)
    half = new_half(suite, Draw(env.random, env.new_kex_key, env.new_dh_key))
    payload = ProveOvHdrPayload(
        owned.header.raw,
        len(owned.entries),
        owned.hmac_raw,
        message.nonce,
        message.sig_info,
        half.sent,
        Hash.of(owned.hash_type, body),
        MAX_MESSAGE_SIZE,
    )
    headers: dict[object, object] = {
        CUPH_NONCE: nonce,
        CUPH_OWNER_KEY: owned.owner_key.to_item(),
    }
    signed = sign1(owned.signer, payload.encode(), headers)
    limit = message.max_message_size
    state = Opening(message.guid, nonce, cipher, half, limit)
    return _fitting(limit, Step(state, ProveOvHdr.TYPE, signed.encode()))


def _fitting(limit: int, step: Step) -> Step:
    """Refuse to send what the device said it cannot take.

    Small values are not meant: one implementation always says 17, others 0.
    """
    if DEFAULT_SIZE <= limit < len(step.reply):
        raise MessageRefused(
            f"{step.reply_type.name} has {len(step.reply)} bytes,"
            f" and the device takes {limit}"
        )
    return step


def _find(guid: Guid, env: To2OwnerEnv) -> OwnedVoucher:
    owned = env.find_voucher(guid)
    if owned is None or not owned.entries:
        raise NotFound(f"no voucher of ours names {guid}")
    return owned


def _entry(state: Opening, message: GetOvNextEntry, env: To2OwnerEnv) -> Step:
    entries = _find(state.guid, env).entries
    if message.index >= len(entries):
        raise MessageRefused(f"entry {message.index} of {len(entries)}")
    reply = OvNextEntry(message.index, entries[message.index])
    step = Step(state, OvNextEntry.TYPE, reply.encode())
    return _fitting(state.message_limit, step)


def _prove(state: Opening, message: ProveDevice, env: To2OwnerEnv) -> Step:
    """The one look at the device's proof; after it the private key is gone."""
    owned = _find(state.guid, env)
    message.signed.verify(owned.device_key)
    if not hmac.compare_digest(message.eat.nonce, state.nonce):
        raise MessageRefused("another nonce than was given out")
    if message.eat.guid != state.guid:
        raise MessageRefused("the token is for another GUID")
    shared = state.half.owner_shared(message.kex, owned.signer.decrypter)
    tunnel = Tunnel(state.cipher, session_key(state.cipher, shared))
    step = _setup(state, message.nonce, tunnel, owned, env)
    return _fitting(state.message_limit, step)


def _setup(
    state: Opening,
    setup_nonce: bytes,
    tunnel: Tunnel,
    owned: OwnedVoucher,
    env: To2OwnerEnv,
) -> Step:
    new = owned.replacement
    signer: Signer
    if new is None:
        rv_info, guid = owned.header.rv_info, owned.guid
        owner_key, signer = owned.owner_key, owned.signer
    else:
        rv_info, guid = new.rv_info, Guid(env.random(16))
        owner_key, signer = new.owner_key, new.signer
    offer = SetupDevicePayload(rv_info, guid, setup_nonce, owner_key)
    limit, reuse = state.message_limit, new is None
    session = Session(state.guid, state.nonce, tunnel, offer, reuse, limit)
    reply = sign1(signer, offer.encode()).encode()
    return _sealed(AwaitingReady(session), SetupDevice.TYPE, reply, env, 0)


def _sealed(
    state: AwaitingReady | Serving,
    reply_type: MsgType,
    plain: bytes,
    env: To2OwnerEnv,
    place: int,
) -> Step:
    body = state.session.tunnel.seal(plain, env.random, place)
    return Step(state, reply_type, body)


def _ready(state: AwaitingReady, plain: bytes, env: To2OwnerEnv) -> Step:
    message = DeviceServiceInfoReady.from_cbor(plain)
    if state.session.reuse and message.replacement_hmac is not None:
        raise MessageRefused("the device replaces a credential that was to stay")
    plan = env.modules(state.guid, None)
    runs = tuple(ModuleRun(one.name, required=one.required) for one in plan.modules)
    limit = send_limit(message.max_service_info, state.session.message_limit)
    exchange = Exchange(env.now, runs, plan=plan.id)
    serving = Serving(state.session, message.replacement_hmac, limit, exchange)
    reply = OwnerServiceInfoReady(env.limits.message).encode()
    return _sealed(serving, OwnerServiceInfoReady.TYPE, reply, env, 2)


def _service_info(state: Serving, body: bytes, env: To2OwnerEnv) -> Step:
    plain, mark = state.session.tunnel.open(body), mark_of(body)
    if mark in state.marks:
        raise UnexpectedMessage("a copy of a message that was taken")
    if len(plain) > size_limit(env.limits.message) + SLACK:
        raise MessageRefused(f"ServiceInfo of {len(plain)} bytes")
    message = DeviceServiceInfo.from_cbor(plain)
    this = Round(
        state.guid,
        _next_guid(state),
        _find(state.guid, env).device_key,
        env.now,
        env.random,
        env.modules(state.guid, state.exchange.plan).modules,
        env.limits,
        state.send_limit,
    )
    exchange, reply = take_turn(state.exchange, message, len(plain), this)
    hmac_, limit = state.replacement_hmac, state.send_limit
    marks = state.marks + mark
    serving = Serving(state.session, hmac_, limit, exchange, marks)
    place = state.next_place
    return _sealed(serving, OwnerServiceInfo.TYPE, reply.encode(), env, place)


def _next_guid(state: Serving) -> Guid:
    """A device that sent no HMAC stays who it is."""
    if state.replacement_hmac is None:
        return state.guid
    return state.session.offer.guid


def _done(state: Serving, plain: bytes, env: To2OwnerEnv) -> Step:
    session = state.session
    if not hmac.compare_digest(Done.from_cbor(plain).nonce, session.nonce):
        raise MessageRefused("another nonce than was given out")
    effect = _ownership(state, env)
    reply = Done2(session.offer.nonce).encode()
    body = session.tunnel.seal(reply, env.random, state.next_place)
    return Step(None, Done2.TYPE, body, (effect,))


def _ownership(state: Serving, env: To2OwnerEnv) -> TakeOwnership:
    """A device that reuses or keeps its credential sends no HMAC."""
    session, mac = state.session, state.replacement_hmac
    kind = Credential.REUSED if session.reuse else Credential.KEPT
    voucher = None
    if mac is not None:
        kind = Credential.REPLACED
        owned = _find(session.guid, env)
        old, offer = owned.header, session.offer
        header = Header.build(
            offer.guid,
            offer.rv_info,
            old.device_info,
            offer.owner_key,
            old.cert_chain_hash,
        )
        voucher = Voucher.build(header, mac, owned.cert_chain)
    exchange = state.exchange
    facts = exchange.devmod.facts()
    return TakeOwnership(
        session.guid, kind, voucher, facts, exchange.results, exchange.plan
    )
