"""TO2 in the clear: messages 60 to 64. Source: FDO 1.1, section 5.5."""

from dataclasses import dataclass
from typing import ClassVar, Self

from onboarding.wire.capability import raw_without_flags, without_flags
from onboarding.wire.common import MAROE_PREFIX, Eat, SigInfo, fields, nonce
from onboarding.wire.message import MsgType
from ownership_vouchers import cbor
from ownership_vouchers.cose import Sign1
from ownership_vouchers.errors import MalformedError
from ownership_vouchers.keys import PublicKey
from ownership_vouchers.types import Guid, Hash

CUPH_NONCE, CUPH_OWNER_KEY, EUPH_NONCE = 256, 257, -259
MAX_KEX = 512


@dataclass(frozen=True, slots=True)
class HelloDevice:
    """TO2.HelloDevice: the device opens TO2. Fields stand in wire order.

    The suites are as the peer wrote them, known to us or not.
    """

    TYPE: ClassVar = MsgType.TO2_HELLO_DEVICE
    max_message_size: int  # bytes the device can take; 0 states nothing
    guid: Guid
    nonce: bytes  # NonceTO2ProveOV
    kex_suite: str
    cipher_suite: int
    sig_info: SigInfo

    @classmethod
    def from_cbor(cls, data: bytes) -> Self:
        """Raises MalformedError on any other shape."""
        items = without_flags(cbor.array(cbor.decode(data)), 6)
        size, guid, prove, kex, cipher, sig_info = items
        return cls(
            cbor.uint(size, 16),
            Guid(cbor.bstr(guid)),
            nonce(prove),
            cbor.tstr(kex, limit=32),
            cbor.integer(cipher),
            SigInfo.from_item(sig_info),
        )

    def encode(self) -> bytes:
        return cbor.encode(
            [
                self.max_message_size,
                self.guid.raw,
                self.nonce,
                self.kex_suite,
                self.cipher_suite,
                self.sig_info.to_item(),
            ]
        )


@dataclass(frozen=True, slots=True)
class ProveOvHdrPayload:
    """What the owner signs in TO2.ProveOVHdr. Fields stand in wire order.

    ``header`` is the content of OVHeader's byte string and ``hmac_raw`` the HMac
    item, both in the voucher's own bytes, which the first entry hashes.
    """

    header: bytes
    entry_count: int
    hmac_raw: bytes
    nonce: bytes  # NonceTO2ProveOV
    sig_info: SigInfo
    kex: bytes  # xAKeyExchange
    hello_hash: Hash
    max_message_size: int  # bytes the owner can take

    @classmethod
    def from_cbor(cls, data: bytes) -> Self:
        """Raises MalformedError on any other shape."""
        items = raw_without_flags(cbor.split(data), 8)
        header, count, hmac_raw, *rest = items
        prove, sig_info, kex, hello_hash, size = (cbor.decode(one) for one in rest)
        return cls(
            cbor.bstr(cbor.decode(header)),
            cbor.uint(cbor.decode(count), 8),
            hmac_raw,
            nonce(prove),
            SigInfo.from_item(sig_info),
            cbor.bstr(kex, limit=MAX_KEX),
            Hash.from_item(hello_hash),
            cbor.uint(size, 16),
        )

    def encode(self) -> bytes:
        return cbor.join(
            (
                cbor.encode(self.header),
                cbor.encode(self.entry_count),
                self.hmac_raw,
                cbor.encode(self.nonce),
                cbor.encode(self.sig_info.to_item()),
                cbor.encode(self.kex),
                cbor.encode(self.hello_hash.to_item()),
                cbor.encode(self.max_message_size),
            )
        )


@dataclass(frozen=True, slots=True)
class ProveOvHdr:
    """TO2.ProveOVHdr: a COSE_Sign1 with nonce and owner key in the open."""

    TYPE: ClassVar = MsgType.TO2_PROVE_OV_HDR
    signed: Sign1
    payload: ProveOvHdrPayload
    nonce: bytes  # NonceTO2ProveDv
    owner_key: PublicKey  # a hint, until the last voucher entry confirms it

    @classmethod
    def from_cbor(cls, data: bytes) -> Self:
        """Raises MalformedError on any other shape; the tag may be left out."""
        signed = Sign1.from_cbor(data)
        if not {CUPH_NONCE, CUPH_OWNER_KEY} <= set(signed.unprotected):
            raise MalformedError("ProveOVHdr lacks its nonce or owner key")
        return cls(
            signed,
            ProveOvHdrPayload.from_cbor(signed.payload),
            nonce(signed.unprotected[CUPH_NONCE]),
            PublicKey.from_item(signed.unprotected[CUPH_OWNER_KEY]),
        )

    def encode(self) -> bytes:
        return self.signed.encode()


@dataclass(frozen=True, slots=True)
class GetOvNextEntry:
    """TO2.GetOVNextEntry: ``[OVEntryNum]``, counted from 0."""

    TYPE: ClassVar = MsgType.TO2_GET_OV_NEXT_ENTRY
    index: int

    @classmethod
    def from_cbor(cls, data: bytes) -> Self:
        """Raises MalformedError on any other shape."""
        (index,) = cbor.array(cbor.decode(data), 1)
        return cls(cbor.uint(index, 8))

    def encode(self) -> bytes:
        return cbor.encode([self.index])


@dataclass(frozen=True, slots=True)
class OvNextEntry:
    """TO2.OVNextEntry: ``[OVEntryNum, OVEntry]``, the entry in its own bytes."""

    TYPE: ClassVar = MsgType.TO2_OV_NEXT_ENTRY
    index: int
    entry: bytes

    @classmethod
    def from_cbor(cls, data: bytes) -> Self:
        """Raises MalformedError on any other shape."""
        index, entry = fields(data, 2)
        return cls(cbor.uint(cbor.decode(index), 8), entry)

    def encode(self) -> bytes:
        return cbor.join((cbor.encode(self.index), self.entry))


@dataclass(frozen=True, slots=True)
class ProveDevice:
    """TO2.ProveDevice: an attestation token that carries xBKeyExchange."""

    TYPE: ClassVar = MsgType.TO2_PROVE_DEVICE
    signed: Sign1
    eat: Eat
    kex: bytes  # xBKeyExchange
    nonce: bytes  # NonceTO2SetupDv

    @classmethod
    def from_cbor(cls, data: bytes) -> Self:
        """Raises MalformedError on any other shape; the tag may be left out."""
        signed = Sign1.from_cbor(data)
        eat = Eat.from_payload(signed.payload)
        if eat.kex is None:
            raise MalformedError("ProveDevice without a key exchange")
        if EUPH_NONCE not in signed.unprotected or MAROE_PREFIX in signed.unprotected:
            raise MalformedError("ProveDevice needs its nonce and no MAROE prefix")
        return cls(signed, eat, eat.kex, nonce(signed.unprotected[EUPH_NONCE]))

    def encode(self) -> bytes:
        return self.signed.encode()
