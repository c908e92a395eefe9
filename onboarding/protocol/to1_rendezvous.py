"""TO1, the rendezvous server's side. Source: FDO 1.1, section 5.4.

30 -> AwaitingProof -> 32 -> to1d given out.
"""

import hmac
from dataclasses import dataclass
from typing import ClassVar, Self

from onboarding.protocol.env import To1RendezvousEnv
from onboarding.protocol.errors import (
    MessageRefused,
    NotFound,
    UnexpectedMessage,
    Unsupported,
)
from onboarding.protocol.registration import Registration
from onboarding.protocol.step import Step
from onboarding.wire.common import SigInfo, nonce
from onboarding.wire.message import MsgType
from onboarding.wire.to1 import HelloRv, HelloRvAck, ProveToRv, RvRedirect
from ownership_vouchers import cbor
from ownership_vouchers.algorithms import VerifyKey, permitted
from ownership_vouchers.types import NONCE_SIZE, Guid


@dataclass(frozen=True, slots=True)
class AwaitingProof:
    """31 was sent."""

    sealed: ClassVar[bool] = True
    guid: Guid
    nonce: bytes

    def encode(self) -> bytes:
        return cbor.encode([self.guid.raw, self.nonce])

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Raises MalformedError."""
        guid, proof = cbor.array(cbor.decode(data), 2)
        return cls(Guid(cbor.bstr(guid)), nonce(proof))


State = AwaitingProof
decode_state = AwaitingProof.decode


def step(state: State | None, msg: MsgType, body: bytes, env: To1RendezvousEnv) -> Step:
    """Advance a run by one message.

    Raises:
        ProtocolError, VoucherError: See `errors.error_code`.
    """
    match state, msg:
        case None, MsgType.TO1_HELLO_RV:
            return _hello(HelloRv.from_cbor(body), env)
        case AwaitingProof(), MsgType.TO1_PROVE_TO_RV:
            return _prove(state, ProveToRv.from_cbor(body), env)
    raise UnexpectedMessage(f"{msg.name} in {type(state).__name__}")


def _hello(message: HelloRv, env: To1RendezvousEnv) -> Step:
    registration = _find(message.guid, env)
    check_sig_info(message.sig_info, registration.device_key)
    state = AwaitingProof(message.guid, env.random(NONCE_SIZE))
    reply = HelloRvAck(state.nonce, message.sig_info)
    return Step(state, HelloRvAck.TYPE, reply.encode())


def _prove(state: AwaitingProof, message: ProveToRv, env: To1RendezvousEnv) -> Step:
    registration = _find(state.guid, env)
    message.signed.verify(registration.device_key)
    if not hmac.compare_digest(message.eat.nonce, state.nonce):
        raise MessageRefused("another nonce than was given out")
    if message.eat.guid != state.guid:
        raise MessageRefused("the token is for another GUID")
    return Step(None, RvRedirect.TYPE, RvRedirect(registration.to1d).encode())


def _find(guid: Guid, env: To1RendezvousEnv) -> Registration:
    registration = env.find_registration(guid)
    if registration is None:
        raise NotFound(f"no owner has registered {guid}")
    return registration


def check_sig_info(sig_info: SigInfo, device_key: VerifyKey) -> None:
    """Hold what a device says it signs with against the key it has.

    Raises:
        Unsupported: Another algorithm than the key's.
    """
    if sig_info.type not in permitted(device_key) or sig_info.info:
        raise Unsupported(f"signature type {sig_info.type} with this device key")
