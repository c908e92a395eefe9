"""TO0: the owner registers with rendezvous. Source: FDO 1.1, section 5.3."""

from dataclasses import dataclass
from typing import ClassVar, Self

from onboarding.wire.capability import without_flags
from onboarding.wire.common import (
    decode_nonce,
    encode_nonce,
    fields,
    nonce,
    plain_sign1,
)
from onboarding.wire.message import MsgType
from ownership_vouchers import cbor
from ownership_vouchers.cose import Sign1
from ownership_vouchers.types import Hash
from ownership_vouchers.voucher import MAX_VOUCHER

_MAJOR_BSTR = 2
MAX_OWNER_SIGN = MAX_VOUCHER + 16 * 1024  # the voucher, and to1d beside it


@dataclass(frozen=True, slots=True)
class Hello:
    """TO0.Hello: ``[]``."""

    TYPE: ClassVar = MsgType.TO0_HELLO

    @classmethod
    def from_cbor(cls, data: bytes) -> Self:
        """Raises MalformedError on any other shape."""
        without_flags(cbor.array(cbor.decode(data)), 0)
        return cls()

    def encode(self) -> bytes:
        return cbor.encode([])


@dataclass(frozen=True, slots=True)
class HelloAck:
    """TO0.HelloAck: ``[NonceTO0Sign]``."""

    TYPE: ClassVar = MsgType.TO0_HELLO_ACK
    nonce: bytes

    @classmethod
    def from_cbor(cls, data: bytes) -> Self:
        """Raises MalformedError on any other shape."""
        return cls(decode_nonce(data))

    def encode(self) -> bytes:
        return encode_nonce(self.nonce)


@dataclass(frozen=True, slots=True)
class To0d:
    """``[OwnershipVoucher, WaitSeconds, NonceTO0Sign]``; the voucher as bytes."""

    voucher: bytes
    wait_seconds: int
    nonce: bytes

    @classmethod
    def from_cbor(cls, data: bytes) -> Self:
        """Raises MalformedError on any other shape."""
        voucher, wait_seconds, sign_nonce = fields(data, 3)
        return cls(
            voucher,
            cbor.uint(cbor.decode(wait_seconds), 32),
            nonce(cbor.decode(sign_nonce)),
        )

    def encode(self) -> bytes:
        wait_seconds = cbor.encode(self.wait_seconds)
        return cbor.join((self.voucher, wait_seconds, cbor.encode(self.nonce)))


@dataclass(frozen=True, slots=True)
class To1dPayload:
    """``[RVTO2Addr, to1dTo0dHash]``; the addresses are not yet looked at."""

    addresses: list[object]
    to0d_hash: Hash

    @classmethod
    def from_cbor(cls, data: bytes) -> Self:
        """Raises MalformedError on any other shape."""
        addresses, to0d_hash = cbor.array(cbor.decode(data), 2)
        return cls(cbor.array(addresses), Hash.from_item(to0d_hash))

    def encode(self) -> bytes:
        return cbor.encode([self.addresses, self.to0d_hash.to_item()])


@dataclass(frozen=True, slots=True)
class OwnerSign:
    """TO0.OwnerSign: ``[to0d: bstr .cbor To0d, to1d: COSE_Sign1]``.

    ``to0d`` is the content of its byte string, which to1d's hash covers; ``to1d``
    is the whole tagged item, which devices are given unmodified. It is the one message
    that carries a whole voucher, and so the one that may be longer than 65535 bytes.
    """

    TYPE: ClassVar = MsgType.TO0_OWNER_SIGN
    to0d: bytes
    to1d: bytes

    @classmethod
    def from_cbor(cls, data: bytes) -> Self:
        """Raises MalformedError on any other shape; to0d may come unwrapped."""
        to0d, to1d = fields(data, 2)
        plain_sign1(to1d)
        if to0d[0] >> 5 == _MAJOR_BSTR:
            to0d = cbor.bstr(cbor.decode(to0d), limit=MAX_OWNER_SIGN)
        return cls(to0d, to1d)

    def encode(self) -> bytes:
        return cbor.join((cbor.encode(self.to0d), self.to1d))

    @property
    def signed(self) -> Sign1:
        """The to1d blob, decoded."""
        return plain_sign1(self.to1d)


@dataclass(frozen=True, slots=True)
class AcceptOwner:
    """TO0.AcceptOwner: ``[WaitSeconds]``, the lifetime granted."""

    TYPE: ClassVar = MsgType.TO0_ACCEPT_OWNER
    wait_seconds: int

    @classmethod
    def from_cbor(cls, data: bytes) -> Self:
        """Raises MalformedError on any other shape."""
        (wait_seconds,) = cbor.array(cbor.decode(data), 1)
        return cls(cbor.uint(wait_seconds, 32))

    def encode(self) -> bytes:
        return cbor.encode([self.wait_seconds])
