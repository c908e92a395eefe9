"""Write vouchers part by part, to bend one part at a time.

``Forge(chain, buyers).encode()`` is a good voucher. Each argument replaces one
part by the encoded bytes given; what hashes, MACs and signs that part follows
suit, so that a forgery is caught for what it is and for nothing else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ownership_vouchers import cbor
from ownership_vouchers.algorithms import Signer
from ownership_vouchers.types import Guid, Hash, HashType
from tests.support.supply_chain import Party, SupplyChain

GUID, RV_INFO, DEVICE_INFO, KEY, CHAIN_HASH = 1, 2, 3, 4, 5


@dataclass(frozen=True, slots=True)
class ForgedEntry:
    """Encoded parts of one entry; None is what belongs there."""

    hash_type: HashType | None = None
    prev_hash: bytes | None = None
    header_hash: bytes | None = None
    extra: bytes = b"\xf6"
    key: bytes | None = None
    tag: bytes = b"\xd2"
    head: bytes = b"\x84"
    payload_head: bytes = b"\x84"
    protected: bytes | None = None  # content of the byte string
    unprotected: bytes = b"\xa0"
    signer: Signer | None = None
    signature: bytes | None = None


@dataclass(frozen=True, slots=True)
class Forge:
    """A voucher of ``chain``'s device, sold to ``buyers`` one after another."""

    chain: SupplyChain
    buyers: Sequence[Party]
    head: bytes = b"\x85"
    version: bytes = b"\x18\x65"
    header_head: bytes = b"\x86"
    header: Mapping[int, bytes] = field(default_factory=dict)  # by position
    hmac: bytes | None = None
    certificates: bytes | None = None
    entries: Mapping[int, ForgedEntry] = field(default_factory=dict)  # by index
    entries_head: bytes | None = None
    tail: bytes = b""

    def encode(self) -> bytes:
        header = self._header()
        mac = self.hmac
        if mac is None:
            kind = self.chain.hash_type.keyed
            mac = cbor.encode(Hash.mac(kind, self.chain.hmac_secret, header).to_item())
        certificates = self.certificates
        if certificates is None:
            certificates = cbor.encode(list(self.chain.voucher.cert_chain or ()))
        entries = self._entries(header + mac)
        items = (self.version, cbor.encode(header), mac, certificates, entries)
        return self.head + b"".join(items) + self.tail

    def _header(self) -> bytes:
        parts = list(cbor.split(self.chain.voucher.header.raw))
        for position, replaced in self.header.items():
            parts[position] = replaced
        return self.header_head + b"".join(parts)

    def _info(self) -> bytes:
        old = self.chain.voucher.header
        guid, text = self.header.get(GUID), self.header.get(DEVICE_INFO)
        raw = old.guid.raw if guid is None else cbor.bstr(cbor.decode(guid))
        name = old.device_info if text is None else cbor.decode(text)
        return raw + (name.encode() if isinstance(name, str) else cbor.bstr(name))

    def _entries(self, previous: bytes) -> bytes:
        signer: Signer = self.chain.manufacturer.signer
        raw = []
        for index, buyer in enumerate(self.buyers):
            spec = self.entries.get(index, ForgedEntry())
            previous = self._entry(spec, previous, buyer, spec.signer or signer)
            raw.append(previous)
            signer = buyer.signer
        if self.entries_head is None:
            return cbor.join(raw)
        return self.entries_head + b"".join(raw)

    def _entry(
        self, spec: ForgedEntry, previous: bytes, buyer: Party, signer: Signer
    ) -> bytes:
        kind = spec.hash_type or self.chain.hash_type
        prev_hash = spec.prev_hash or cbor.encode(Hash.of(kind, previous).to_item())
        info = Hash.of(kind, self._info()).to_item()
        parts = (
            prev_hash,
            spec.header_hash or cbor.encode(info),
            spec.extra,
            spec.key or buyer.public_key.raw,
        )
        payload = spec.payload_head + b"".join(parts)
        protected = spec.protected
        if protected is None:
            protected = cbor.encode({1: int(signer.alg)})
        signed = cbor.encode(["Signature1", protected, b"", payload])
        signature = spec.signature or signer.sign(signed)
        return (
            spec.tag
            + spec.head
            + cbor.encode(protected)
            + spec.unprotected
            + cbor.encode(payload)
            + cbor.encode(signature)
        )


TEST_GUID = Guid(bytes(range(16)))
