"""DI: the factory gives a device its credential. Source: FDO 1.1, section 5.2."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from onboarding.wire.capability import without_flags
from onboarding.wire.message import MsgType
from ownership_vouchers import cbor
from ownership_vouchers.errors import MalformedError, UnsupportedKeyError
from ownership_vouchers.keys import KeyEncoding, KeyType
from ownership_vouchers.types import Hash

MAX_CSR = 4096
_CSR, _MAC = 4, 5
_PROFILE, _EK_PUBLIC, _EK_CERTIFICATE = 1, 2, 3


@dataclass(frozen=True, slots=True)
class Board:
    """Our own addition to MfgInfo: what the passport will say of the machine.

    A CBOR map at the end of MfgInfo; other manufacturers' servers skip it.
    ``ek_public`` is a TPM2B_PUBLIC, ``ek_certificate`` DER or empty.
    """

    profile: str
    ek_public: bytes
    ek_certificate: bytes = b""

    @classmethod
    def from_item(cls, item: object) -> Self:
        """Raises MalformedError on any other shape."""
        fields = cbor.mapping(item, limit=8)
        if not {_PROFILE, _EK_PUBLIC} <= set(fields):
            raise MalformedError("board facts lack profile or endorsement key")
        return cls(
            cbor.tstr(fields[_PROFILE], limit=64),
            cbor.bstr(fields[_EK_PUBLIC], limit=1024),
            cbor.bstr(fields.get(_EK_CERTIFICATE, b""), limit=4096),
        )

    def to_item(self) -> dict[int, object]:
        return {
            _PROFILE: self.profile,
            _EK_PUBLIC: self.ek_public,
            _EK_CERTIFICATE: self.ek_certificate,
        }


@dataclass(frozen=True, slots=True)
class MfgInfo:
    """What the device tells the factory, in the forms that carry a CSR.

    ``[keyType, keyEnc, serial, deviceInfo, csr, ? macAddresses, ...]``. The key
    type and encoding are those wanted for the manufacturer's key.
    ``csr`` is a DER PKCS#10 request; ``mac_addresses`` is as the device sent it.
    Source: the forms in use, go-fdo, client-sdk-fidoiot, pri-fidoiot.
    """

    key_type: KeyType
    key_encoding: KeyEncoding
    serial: str
    device_info: str
    csr: bytes
    mac_addresses: bytes = b""
    board: Board | None = None

    @classmethod
    def from_item(cls, item: object) -> Self:
        """Raises MalformedError, or UnsupportedKeyError for a key not in FDO."""
        fields = cbor.array(item, limit=16)
        if len(fields) <= _CSR:
            raise MalformedError("MfgInfo without a certificate request")
        try:
            key_type = KeyType(cbor.uint(fields[0], 8))
            encoding = KeyEncoding(cbor.uint(fields[1], 8))
        except ValueError as error:
            raise UnsupportedKeyError("MfgInfo asks for an unknown key") from error
        boards = [one for one in fields[_MAC:] if isinstance(one, Mapping)]
        return cls(
            key_type,
            encoding,
            cbor.tstr(fields[2], limit=128),
            cbor.tstr(fields[3], limit=128),
            cbor.bstr(fields[_CSR], limit=MAX_CSR),
            _mac_addresses(fields),
            Board.from_item(boards[0]) if boards else None,
        )

    def to_item(self) -> list[object]:
        fields: list[object] = [
            int(self.key_type),
            int(self.key_encoding),
            self.serial,
            self.device_info,
            self.csr,
        ]
        if self.mac_addresses or self.board:
            fields.append(self.mac_addresses)
        if self.board:
            fields.append(self.board.to_item())
        return fields


def _mac_addresses(fields: list[object]) -> bytes:
    found = fields[_MAC] if len(fields) > _MAC else None
    return cbor.bstr(found, limit=256) if isinstance(found, bytes) else b""


@dataclass(frozen=True, slots=True)
class AppStart:
    """DI.AppStart: ``[bstr .cbor MfgInfo]``; MfgInfo may come unwrapped.

    Capability flags of FDO 2.0 after it are skipped, as in 20, 30, 31, 60 and 61.
    """

    TYPE: ClassVar = MsgType.DI_APP_START
    mfg_info: MfgInfo

    @classmethod
    def from_cbor(cls, data: bytes) -> Self:
        """Raises MalformedError on any other shape."""
        (info,) = without_flags(cbor.array(cbor.decode(data)), 1)
        if isinstance(info, bytes):
            info = cbor.decode(info)
        return cls(MfgInfo.from_item(info))

    def encode(self) -> bytes:
        return cbor.encode([cbor.encode(self.mfg_info.to_item())])


@dataclass(frozen=True, slots=True)
class SetCredentials:
    """DI.SetCredentials: ``[bstr .cbor OVHeader]``."""

    TYPE: ClassVar = MsgType.DI_SET_CREDENTIALS
    header: bytes  # as the HMAC will cover it

    @classmethod
    def from_cbor(cls, data: bytes) -> Self:
        """Raises MalformedError on any other shape."""
        (header,) = cbor.array(cbor.decode(data), 1)
        return cls(cbor.bstr(header))

    def encode(self) -> bytes:
        return cbor.encode([self.header])


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
