"""TO0, the rendezvous server's side. Source: FDO 1.1, section 5.3.

20 -> AwaitingSign -> 22 -> registration stored.
"""

import hmac
from dataclasses import dataclass
from typing import ClassVar, Self

from onboarding.protocol.env import To0RendezvousEnv
from onboarding.protocol.errors import (
    AddressRefused,
    GuidRefused,
    MessageRefused,
    OwnerSignRefused,
    UnexpectedMessage,
    VoucherRefused,
)
from onboarding.protocol.registration import Registration
from onboarding.protocol.step import Step, StoreRegistration
from onboarding.wire.common import decode_nonce, encode_nonce
from onboarding.wire.message import MsgType
from onboarding.wire.to0 import (
    AcceptOwner,
    Hello,
    HelloAck,
    OwnerSign,
    To0d,
    To1dPayload,
)
from ownership_vouchers import cbor
from ownership_vouchers.errors import MalformedError, SignatureError, VoucherError
from ownership_vouchers.keys import spki
from ownership_vouchers.to2_address import to2_addresses_from_item
from ownership_vouchers.types import NONCE_SIZE, Guid, Hash
from ownership_vouchers.verify import verify
from ownership_vouchers.voucher import Voucher


@dataclass(frozen=True, slots=True)
class AwaitingSign:
    """21 was sent."""

    sealed: ClassVar[bool] = True
    nonce: bytes

    def encode(self) -> bytes:
        return encode_nonce(self.nonce)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Raises MalformedError."""
        return cls(decode_nonce(data))


State = AwaitingSign
decode_state = AwaitingSign.decode


def step(state: State | None, msg: MsgType, body: bytes, env: To0RendezvousEnv) -> Step:
    """Advance a run by one message.

    Raises:
        ProtocolError, VoucherError: See `errors.error_code`.
    """
    match state, msg:
        case None, MsgType.TO0_HELLO:
            Hello.from_cbor(body)
            nonce = env.random(NONCE_SIZE)
            return Step(AwaitingSign(nonce), HelloAck.TYPE, HelloAck(nonce).encode())
        case AwaitingSign(nonce), MsgType.TO0_OWNER_SIGN:
            return _owner_sign(nonce, OwnerSign.from_cbor(body), env)
    raise UnexpectedMessage(f"{msg.name} in {type(state).__name__}")


def _owner_sign(nonce: bytes, message: OwnerSign, env: To0RendezvousEnv) -> Step:
    """Check everything a rendezvous server can: cheap checks come first."""
    to0d = To0d.from_cbor(message.to0d)
    if not hmac.compare_digest(to0d.nonce, nonce):
        raise MessageRefused("another nonce than was given out")
    signed = message.signed
    payload = To1dPayload.from_cbor(signed.payload)
    claimed = payload.to0d_hash
    if not Hash.of(claimed.type, message.to0d).same(claimed):
        raise MessageRefused("to1d was made for another to0d")
    _check_addresses(payload.addresses)
    voucher = _verified(to0d.voucher, env)
    try:
        signed.verify(voucher.owner_key.key)
    except SignatureError as error:
        raise OwnerSignRefused("to1d is not signed by the voucher's owner") from error
    return _accept(voucher, message.to1d, to0d.wait_seconds, env)


def _accept(voucher: Voucher, to1d: bytes, asked: int, env: To0RendezvousEnv) -> Step:
    registration = Registration.of(voucher, spki(voucher.device_key), to1d)
    before = env.find_registration(voucher.guid)
    if before is not None:
        objection = before.claim.objection(registration.claim)
        if objection is not None:
            raise VoucherRefused(objection)
    granted = env.terms.grant(asked)
    effect = StoreRegistration(registration, granted)
    return Step(None, AcceptOwner.TYPE, AcceptOwner(granted).encode(), (effect,))


def _verified(data: bytes, env: To0RendezvousEnv) -> Voucher:
    try:
        voucher = Voucher.from_cbor(data)
        if not voucher.entries:
            raise VoucherRefused("the voucher names no owner")
        objection = env.objection(voucher.header.manufacturer_key, voucher.owner_key)
        if objection is not None:
            raise VoucherRefused(objection)
        return verify(voucher, device_roots=env.device_roots).voucher
    except VoucherError as error:
        _check_guid(data)
        raise VoucherRefused(str(error)) from error


def _check_guid(data: bytes) -> None:
    """A wrong GUID has an error code of its own, in a voucher that can be read so far.

    Raises:
        GuidRefused: It is there, and is no GUID.
    """
    try:
        header = cbor.bstr(cbor.decode(cbor.split(data, limit=5)[1]))
        raw = cbor.split(header)[1]
    except (VoucherError, IndexError):
        return
    try:
        Guid(cbor.bstr(cbor.decode(raw)))
    except MalformedError as error:
        raise GuidRefused(str(error)) from error


def _check_addresses(items: list[object]) -> None:
    """A wrong IP address has an error code of its own."""
    for item in items:
        if isinstance(item, list | tuple) and item and item[0] is not None:
            if not isinstance(item[0], bytes) or len(item[0]) not in (4, 16):
                raise AddressRefused("an IP address that is none")
    try:
        addresses = to2_addresses_from_item(items)
    except MalformedError as error:
        raise MessageRefused(str(error)) from error
    if not all(one.port for one in addresses):
        raise MessageRefused("port 0 in an owner address")
