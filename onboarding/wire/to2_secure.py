"""TO2 inside the tunnel: the plaintexts of 65 to 67, 70 and 71.

Source: FDO 1.1, section 5.5; 68 and 69 are in `serviceinfo`.
"""

from dataclasses import dataclass
from typing import ClassVar, Self

from onboarding.wire.common import (
    decode_nonce,
    encode_nonce,
    fields,
    nonce,
    plain_sign1,
)
from onboarding.wire.di import hmac_from_item
from onboarding.wire.message import MsgType
from ownership_vouchers import cbor
from ownership_vouchers.cose import Sign1
from ownership_vouchers.keys import PublicKey
from ownership_vouchers.rendezvous import RendezvousInfo
from ownership_vouchers.types import Guid, Hash


@dataclass(frozen=True, slots=True)
class SetupDevicePayload:
    """``[RendezvousInfo, Guid, NonceTO2SetupDv, Owner2Key]``.

    Rendezvous info and key keep their bytes: the new header is made of them.
    """

    rv_info: RendezvousInfo
    guid: Guid
    nonce: bytes
    owner_key: PublicKey

    @classmethod
    def from_cbor(cls, data: bytes) -> Self:
        """Raises MalformedError on any other shape, UnsupportedKeyError."""
        rv_info, guid, setup, owner_key = fields(data, 4)
        return cls(
            RendezvousInfo.from_cbor(rv_info),
            Guid(cbor.bstr(cbor.decode(guid))),
            nonce(cbor.decode(setup)),
            PublicKey.from_cbor(owner_key),
        )

    def encode(self) -> bytes:
        return cbor.join(
            (
                self.rv_info.raw,
                cbor.encode(self.guid.raw),
                cbor.encode(self.nonce),
                self.owner_key.raw,
            )
        )


@dataclass(frozen=True, slots=True)
class SetupDevice:
    """TO2.SetupDevice: the above, signed by Owner2Key."""

    TYPE: ClassVar = MsgType.TO2_SETUP_DEVICE
    signed: Sign1
    payload: SetupDevicePayload

    @classmethod
    def from_cbor(cls, data: bytes) -> Self:
        """Raises MalformedError on any other shape, UnsupportedKeyError."""
        signed = plain_sign1(data)
        return cls(signed, SetupDevicePayload.from_cbor(signed.payload))

    def encode(self) -> bytes:
        return self.signed.encode()


@dataclass(frozen=True, slots=True)
class DeviceServiceInfoReady:
    """TO2.DeviceServiceInfoReady: ``[ReplacementHMac / null, size / null]``."""

    TYPE: ClassVar = MsgType.TO2_DEVICE_SERVICE_INFO_READY
    replacement_hmac: Hash | None
    max_service_info: int | None  # bytes of a 69 the device takes

    @classmethod
    def from_cbor(cls, data: bytes) -> Self:
        """Raises MalformedError on any other shape."""
        hmac, size = cbor.array(cbor.decode(data), 2)
        return cls(None if hmac is None else hmac_from_item(hmac), _size(size))

    def encode(self) -> bytes:
        hmac = self.replacement_hmac
        return cbor.encode([hmac and hmac.to_item(), self.max_service_info])


@dataclass(frozen=True, slots=True)
class OwnerServiceInfoReady:
    """TO2.OwnerServiceInfoReady: ``[size / null]``."""

    TYPE: ClassVar = MsgType.TO2_OWNER_SERVICE_INFO_READY
    max_service_info: int | None  # bytes of a 68 the owner takes

    @classmethod
    def from_cbor(cls, data: bytes) -> Self:
        """Raises MalformedError on any other shape."""
        (size,) = cbor.array(cbor.decode(data), 1)
        return cls(_size(size))

    def encode(self) -> bytes:
        return cbor.encode([self.max_service_info])


def _size(item: object) -> int | None:
    return None if item is None else cbor.uint(item, 16)


@dataclass(frozen=True, slots=True)
class Done:
    """TO2.Done: ``[NonceTO2ProveDv]``."""

    TYPE: ClassVar = MsgType.TO2_DONE
    nonce: bytes

    @classmethod
    def from_cbor(cls, data: bytes) -> Self:
        """Raises MalformedError on any other shape."""
        return cls(decode_nonce(data))

    def encode(self) -> bytes:
        return encode_nonce(self.nonce)


@dataclass(frozen=True, slots=True)
class Done2:
    """TO2.Done2: ``[NonceTO2SetupDv]``."""

    TYPE: ClassVar = MsgType.TO2_DONE2
    nonce: bytes

    @classmethod
    def from_cbor(cls, data: bytes) -> Self:
        """Raises MalformedError on any other shape."""
        return cls(decode_nonce(data))

    def encode(self) -> bytes:
        return encode_nonce(self.nonce)
