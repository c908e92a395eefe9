"""What a rendezvous server keeps of one registered device."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Self

from ownership_vouchers import cbor
from ownership_vouchers.algorithms import VerifyKey
from ownership_vouchers.keys import load_spki
from ownership_vouchers.types import Guid, Hash, HashType
from ownership_vouchers.voucher import Voucher

load_device_key = lru_cache(maxsize=4096)(load_spki)


@dataclass(frozen=True, slots=True)
class Registration:
    """A verified TO0 registration; ``to1d`` is given out unmodified.

    The digests (SHA-256) let a later registration of the same GUID be held
    against this one without its voucher.
    """

    guid: Guid
    to1d: bytes
    device_spki: bytes
    owner_spki: bytes
    header_digest: bytes
    entry_count: int
    last_entry_digest: bytes

    @classmethod
    def of(cls, voucher: Voucher, device_spki: bytes, to1d: bytes) -> Self:
        """Summarise ``voucher``, which the caller has verified."""
        return cls(
            voucher.guid,
            to1d,
            device_spki,
            voucher.owner_key.spki,
            _digest(voucher.header.raw),
            len(voucher.entries),
            _digest(voucher.entries[-1].raw),
        )

    @property
    def device_key(self) -> VerifyKey:
        return load_device_key(self.device_spki)

    @property
    def owner_fingerprint(self) -> str:
        """SHA-256 of the owner key's SubjectPublicKeyInfo, hexadecimal."""
        return _digest(self.owner_spki).hex()

    def yields_to(self, voucher: Voucher) -> bool:
        """Tell whether ``voucher`` may register in place of this one.

        Only the same voucher (same header, same owner) or a longer one that
        goes on from its last entry may.
        """
        if _digest(voucher.header.raw) != self.header_digest:
            return False
        if len(voucher.entries) < self.entry_count:
            return False
        shared = voucher.entries[self.entry_count - 1]
        return _digest(shared.raw) == self.last_entry_digest

    def encode(self) -> bytes:
        """Return one CBOR array, for the store."""
        return cbor.encode(
            [
                self.guid.raw,
                self.to1d,
                self.device_spki,
                self.owner_spki,
                self.header_digest,
                self.entry_count,
                self.last_entry_digest,
            ]
        )

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Raises MalformedError."""
        guid, to1d, device, owner, header, count, last = cbor.array(
            cbor.decode(data), 7
        )
        return cls(
            Guid(cbor.bstr(guid)),
            cbor.bstr(to1d),
            cbor.bstr(device, limit=2048),
            cbor.bstr(owner, limit=2048),
            cbor.bstr(header, 32),
            cbor.uint(count, 8),
            cbor.bstr(last, 32),
        )


def _digest(data: bytes) -> bytes:
    return Hash.of(HashType.SHA256, data).value
