"""Small values that several messages share."""

from dataclasses import dataclass
from typing import Self

from ownership_vouchers import cbor
from ownership_vouchers.cose import Sign1
from ownership_vouchers.errors import MalformedError
from ownership_vouchers.types import NONCE_SIZE, Guid

EAT_NONCE, EAT_UEID, EAT_FDO = 10, 256, -257
_EARLIER_UEID = 11  # what fdo-rs has in place of 256, from a draft of EAT
MAROE_PREFIX = -258
_RANDOM_UEID = b"\x01"


@dataclass(frozen=True, slots=True)
class SigInfo:
    """How the device signs: ``[sgType, Info]``. Source: FDO 1.1, section 3.3.1.

    ``info`` is empty for every type but EPID, which we do not take.
    """

    type: int
    info: bytes = b""

    @classmethod
    def from_item(cls, item: object) -> Self:
        """Raises MalformedError on any other shape."""
        kind, info = cbor.array(item, 2)
        return cls(cbor.integer(kind), cbor.bstr(info, limit=1024))

    def to_item(self) -> list[object]:
        return [self.type, self.info]


def fields(data: bytes, length: int) -> tuple[bytes, ...]:
    """Cut an array of ``length`` items into their bytes, exactly as received."""
    items = cbor.split(data, limit=length)
    if len(items) != length:
        raise MalformedError(f"array of {len(items)} items, not {length}")
    return items


def nonce(item: object) -> bytes:
    """Return ``item`` if it is a Nonce: 16 bytes."""
    return cbor.bstr(item, NONCE_SIZE)


def encode_nonce(value: bytes) -> bytes:
    """Return a message that is one nonce: ``[Nonce]``."""
    return cbor.encode([value])


def decode_nonce(data: bytes) -> bytes:
    """Read a message that is one nonce. Raises MalformedError."""
    (value,) = cbor.array(cbor.decode(data), 1)
    return nonce(value)


@dataclass(frozen=True, slots=True)
class Eat:
    """The claims of an entity attestation token.

    ``{10: nonce, 256: 0x01 || guid, ? -257: [xBKeyExchange]}``; other claims are
    skipped. The UEID may have an earlier label, if it has not both, and is never
    written so. Source: FDO 1.1, section 3.3.6.
    """

    nonce: bytes
    guid: Guid
    kex: bytes | None = None

    @classmethod
    def from_payload(cls, payload: bytes, *, with_kex: bool = True) -> Self:
        """Read the claims; without ``with_kex``, -257 is skipped like any other.

        Raises:
            MalformedError: Another shape.
        """
        claims = cbor.mapping(cbor.decode(payload), limit=16)
        labels = [one for one in (EAT_UEID, _EARLIER_UEID) if one in claims]
        if EAT_NONCE not in claims or len(labels) != 1:
            raise MalformedError("attestation token without a nonce, or not one UEID")
        ueid = cbor.bstr(claims[labels[0]], 17)
        if ueid[:1] != _RANDOM_UEID:
            raise MalformedError("UEID is not of type RAND")
        kex = None
        if with_kex and EAT_FDO in claims:
            (item,) = cbor.array(claims[EAT_FDO], 1)
            kex = cbor.bstr(item, limit=512)
        return cls(nonce(claims[EAT_NONCE]), Guid(ueid[1:]), kex)

    def payload(self) -> bytes:
        claims: dict[int, object] = {
            EAT_NONCE: self.nonce,
            EAT_UEID: _RANDOM_UEID + self.guid.raw,
        }
        if self.kex is not None:
            claims[EAT_FDO] = [self.kex]
        return cbor.encode(claims)


def plain_sign1(data: bytes) -> Sign1:
    """Decode a tagged COSE_Sign1 whose unprotected header must be empty."""
    signed = Sign1.from_cbor(data, tagged=True)
    if signed.unprotected:
        raise MalformedError("unprotected header is not empty")
    return signed
