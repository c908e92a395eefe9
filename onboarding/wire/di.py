"""DI: the factory gives a device its credential. Source: FDO 1.1, section 5.2."""

from dataclasses import dataclass
from typing import ClassVar, Self

from onboarding.wire import mfg_info
from onboarding.wire.capability import without_flags
from onboarding.wire.message import MsgType
from onboarding.wire.mfg_info import MfgInfo, NamedDevice
from ownership_vouchers import cbor
from ownership_vouchers.errors import MalformedError
from ownership_vouchers.types import Hash


@dataclass(frozen=True, slots=True)
class AppStart:
    """DI.AppStart: ``[bstr .cbor MfgInfo / null]``; MfgInfo may come unwrapped.

    Capability flags of FDO 2.0 after it are skipped, as in 20, 30, 31, 60 and 61.
    """

    TYPE: ClassVar = MsgType.DI_APP_START
    mfg_info: MfgInfo | NamedDevice | None

    @classmethod
    def from_cbor(cls, data: bytes) -> Self:
        """Raises MalformedError on any other shape."""
        (info,) = without_flags(cbor.array(cbor.decode(data)), 1)
        if isinstance(info, bytes):
            info = cbor.decode(info)
        return cls(mfg_info.from_item(info))

    def encode(self) -> bytes:
        if self.mfg_info is None:
            return cbor.encode([None])
        return cbor.encode([cbor.encode(self.mfg_info.to_item())])

    @property
    def serial(self) -> str:
        """What the device is called; empty if it does not say."""
        return "" if self.mfg_info is None else self.mfg_info.serial


@dataclass(frozen=True, slots=True)
class SetCredentials:
    """DI.SetCredentials: ``[bstr .cbor OVHeader]``.

    ``bare`` is how fdo-rs wants it: the OVHeader itself.
    """

    TYPE: ClassVar = MsgType.DI_SET_CREDENTIALS
    header: bytes  # as the HMAC will cover it
    bare: bool = False

    @classmethod
    def from_cbor(cls, data: bytes) -> Self:
        """Raises MalformedError on any other shape."""
        (header,) = cbor.array(cbor.decode(data), 1)
        return cls(cbor.bstr(header))

    def encode(self) -> bytes:
        return self.header if self.bare else cbor.encode([self.header])


@dataclass(frozen=True, slots=True)
class SetHmac:
    """DI.SetHMAC: ``[HMac]``."""

    TYPE: ClassVar = MsgType.DI_SET_HMAC
    hmac: Hash

    @classmethod
    def from_cbor(cls, data: bytes) -> Self:
        """Raises MalformedError on any other shape, or a hash without a key."""
        (item,) = cbor.array(cbor.decode(data), 1)
        return cls(hmac_from_item(item))

    def encode(self) -> bytes:
        return cbor.encode([self.hmac.to_item()])


@dataclass(frozen=True, slots=True)
class Done:
    """DI.Done: ``[]``."""

    TYPE: ClassVar = MsgType.DI_DONE

    @classmethod
    def from_cbor(cls, data: bytes) -> Self:
        """Raises MalformedError on any other shape."""
        cbor.array(cbor.decode(data), 0)
        return cls()

    def encode(self) -> bytes:
        return cbor.encode([])


def hmac_from_item(item: object) -> Hash:
    """Return an HMac: a Hash of one of the two keyed types."""
    found = Hash.from_item(item)
    if not found.type.is_mac:
        raise MalformedError(f"{found.type.name} where an HMAC belongs")
    return found
