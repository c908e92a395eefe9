"""What a device tells the factory of itself, in every form that devices send.

The protocol leaves MfgInfo open, so each maker of devices has a form of its own:

* go-fdo, go-fdo-client: ``[keyType, keyEnc, serial, deviceInfo, csr]``;
* client-sdk-fidoiot: the same, then its MAC addresses, and on Intel CSE an empty
  ``csr`` and what the chip's own certificate chain is proved by;
* pri-fidoiot: the same with every null left out, so that a place says nothing and
  only the type of a value does;
* fdo-rs: one text, a serial number or MAC address, and no key at all;
* null, which the protocol allows.

Source: those programs; FDO 1.1, section 5.2.1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from ownership_vouchers import cbor
from ownership_vouchers.errors import MalformedError, UnsupportedKeyError
from ownership_vouchers.keys import KeyEncoding, KeyType

MAX_CSR = 4096
MAX_TEXT = 128
_MAX_FIELDS = 16
_SEQUENCE = 0x30  # how every DER certificate request begins
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
    """The forms that are an array.

    The key type and encoding are those wanted for the manufacturer's key.
    ``csr`` is a DER PKCS#10 request, empty if there is none; ``mac_addresses`` is as
    the device sent it. ``on_die`` marks a device that proves itself by keys of its
    chip (Intel CSE) and so has no request.
    """

    key_type: KeyType
    key_encoding: KeyEncoding
    serial: str
    device_info: str
    csr: bytes
    mac_addresses: bytes = b""
    board: Board | None = None
    on_die: bool = False

    @classmethod
    def from_item(cls, item: object) -> Self:
        """Raises MalformedError, or UnsupportedKeyError for a key not in FDO."""
        fields = [one for one in cbor.array(item, limit=_MAX_FIELDS) if one is not None]
        key_type, encoding = _wanted_key(fields)
        texts = _while_text(fields[2:])
        if not texts:
            raise MalformedError("MfgInfo without a serial number")
        rest = fields[2 + len(texts) :]
        csr, others = _request(rest)
        boards = [one for one in others if isinstance(one, dict)]
        return cls(
            key_type,
            encoding,
            texts[0],
            texts[1] if len(texts) > 1 else "",
            csr,
            _mac_addresses(others),
            Board.from_item(boards[0]) if boards else None,
            not csr and len([one for one in others if isinstance(one, bytes)]) > 1,
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


@dataclass(frozen=True, slots=True)
class NamedDevice:
    """The form that is one text: what the device is called, and nothing else."""

    serial: str

    @classmethod
    def from_item(cls, item: object) -> Self:
        """Raises MalformedError if it is no text, or a long one."""
        return cls(cbor.tstr(item, limit=MAX_TEXT))

    def to_item(self) -> str:
        return self.serial


def from_item(item: object) -> MfgInfo | NamedDevice | None:
    """Read any form.

    Raises:
        MalformedError, UnsupportedKeyError: As the forms do.
    """
    if item is None:
        return None
    if isinstance(item, str):
        return NamedDevice.from_item(item)
    return MfgInfo.from_item(item)


def _wanted_key(fields: Sequence[object]) -> tuple[KeyType, KeyEncoding]:
    if len(fields) < 2:
        raise MalformedError("MfgInfo without a key type and encoding")
    numbers = cbor.uint(fields[0], 8), cbor.uint(fields[1], 8)
    try:
        return KeyType(numbers[0]), KeyEncoding(numbers[1])
    except ValueError as error:
        raise UnsupportedKeyError("MfgInfo asks for an unknown key") from error


def _while_text(fields: Sequence[object]) -> list[str]:
    """The one or two texts that ``fields`` begin with: serial number, device info."""
    found: list[str] = []
    for one in fields[:2]:
        if not isinstance(one, str):
            break
        found.append(cbor.tstr(one, limit=MAX_TEXT))
    return found


def _request(rest: Sequence[object]) -> tuple[bytes, Sequence[object]]:
    """Tell a request from what follows it when the request was left out."""
    first = rest[0] if rest else b""
    if not isinstance(first, bytes):
        return b"", rest
    if first[:1] == bytes([_SEQUENCE]):
        return cbor.bstr(first, limit=MAX_CSR), rest[1:]
    return b"", rest[1:] if first == b"" else rest


def _mac_addresses(others: Sequence[object]) -> bytes:
    first = others[0] if others else None
    return cbor.bstr(first, limit=256) if isinstance(first, bytes) else b""
