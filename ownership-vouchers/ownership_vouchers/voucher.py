"""The ownership voucher and its codec. Source: FDO 1.1, section 3.4.

Decoding fixes every shape and bound; whether the voucher *holds* is said by
``verify``. What was received is kept, and it is what hashes and MACs cover.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Self

from ownership_vouchers import cbor
from ownership_vouchers.algorithms import VerifyKey
from ownership_vouchers.entry import Entry
from ownership_vouchers.errors import (
    Check,
    CheckFailed,
    MalformedError,
    UnsupportedKeyError,
)
from ownership_vouchers.header import MAX_PART, PROTOCOL_VERSION, Header
from ownership_vouchers.keys import PublicKey, leaf_key
from ownership_vouchers.types import Guid, Hash

__all__ = ["Entry", "Header", "Voucher", "decode_hmac"]

MAX_VOUCHER = 1024 * 1024  # 255 entries of RSA-3072 keys have 240 KB
MAX_ENTRIES = 255
MAX_CERTIFICATES = 10
MAX_CERTIFICATE = 16 * 1024


@dataclass(frozen=True, slots=True)
class Voucher:
    """OwnershipVoucher: decoded, bounded, and not yet verified.

    ``cert_chain`` holds DER certificates, the device's own first.
    """

    protver: int
    header: Header
    hmac: Hash
    hmac_raw: bytes = field(repr=False)
    cert_chain: tuple[bytes, ...] | None = field(repr=False)
    entries: tuple[Entry, ...]
    raw: bytes = field(repr=False)

    @classmethod
    def from_cbor(cls, data: bytes) -> Self:
        """Decode exactly one voucher.

        Raises:
            MalformedError: Another shape; says which part.
            UnsupportedKeyError: A key that we do not take.
            CheckFailed: Over a limit (1 MiB, 255 entries of 31 KiB, 10 certificates).
        """
        _bound("bytes of voucher", len(data), MAX_VOUCHER)
        parts = cbor.parts(data, limit=5)
        if len(parts) != 5:
            raise MalformedError(f"voucher of {len(parts)} items, not 5")
        (_, version), (_, header), (hmac_raw, hmac), (_, chain), (entries, _) = parts
        _bound("entries", cbor.length(entries), MAX_ENTRIES)
        return cls(
            cbor.uint(version, 16),
            Header.from_cbor(cbor.bstr(header)),
            _hmac(hmac),
            hmac_raw,
            _chain(chain),
            tuple(_entry(i, *part) for i, part in enumerate(cbor.parts(entries))),
            data,
        )

    @classmethod
    def build(
        cls,
        header: Header,
        hmac: Hash,
        cert_chain: Sequence[bytes] | None,
    ) -> Self:
        """Write a voucher without entries, as DI and TO2 end with.

        Raises:
            MalformedError, CheckFailed: What ``from_cbor`` would not take back.
        """
        parts = (
            cbor.encode(PROTOCOL_VERSION),
            cbor.encode(header.raw),
            cbor.encode(hmac.to_item()),
            cbor.encode(None if cert_chain is None else list(cert_chain)),
            cbor.join(()),
        )
        raw = cbor.join(parts)
        kept = _chain(cbor.decode(parts[3]))
        return cls(
            PROTOCOL_VERSION, header, decode_hmac(parts[2]), parts[2], kept, (), raw
        )

    def with_entry(self, raw: bytes) -> "Voucher":
        """Append one encoded entry; every byte before it stays as it was."""
        before = cbor.split(self.raw, limit=5)[:4]
        entries = cbor.join((*(one.raw for one in self.entries), raw))
        return Voucher.from_cbor(cbor.join((*before, entries)))

    def encode(self) -> bytes:
        """Return the voucher exactly as it was received or built."""
        return self.raw

    @property
    def guid(self) -> Guid:
        return self.header.guid

    @property
    def owner_key(self) -> PublicKey:
        """The key of who owns the device now: the last entry's, if any."""
        if self.entries:
            return self.entries[-1].public_key
        return self.header.manufacturer_key

    @property
    def device_key(self) -> VerifyKey:
        """The key in the device's certificate.

        Raises:
            CheckFailed: No certificate, or none that we can read.
        """
        if not self.cert_chain:
            raise CheckFailed(Check.DEVICE_CHAIN, "no device certificate")
        return device_key_of(self.cert_chain[0])


@lru_cache(maxsize=256)
def device_key_of(leaf: bytes) -> VerifyKey:
    """Return the public key of a device's DER certificate.

    The rest of the certificate is read where the chain is checked.

    Raises:
        CheckFailed: ``device_chain``, if it cannot be read or is none of FDO's.
    """
    try:
        return leaf_key(leaf)
    except (MalformedError, UnsupportedKeyError) as error:
        raise CheckFailed(Check.DEVICE_CHAIN, str(error)) from error


def decode_hmac(raw: bytes) -> Hash:
    """Decode an HMac item. Raises MalformedError if it is a plain hash."""
    return _hmac(cbor.decode(raw))


def _hmac(item: object) -> Hash:
    value = Hash.from_item(item)
    if not value.type.is_mac:
        raise MalformedError("a hash where an HMAC belongs")
    return value


def _chain(item: object) -> tuple[bytes, ...] | None:
    if item is None:
        return None
    certificates = cbor.array(item)
    _bound("device certificates", len(certificates), MAX_CERTIFICATES)
    return tuple(cbor.bstr(one, limit=MAX_CERTIFICATE) for one in certificates)


def _entry(index: int, raw: bytes, item: object) -> Entry:
    _bound(f"bytes of entry {index}", len(raw), MAX_PART)
    try:
        return Entry.from_part(raw, item)
    except (MalformedError, UnsupportedKeyError) as error:
        raise type(error)(f"entry {index}: {error}") from error


def _bound(what: str, count: int, limit: int) -> None:
    if count > limit:
        raise CheckFailed(Check.LIMITS, f"{count} {what}, at most {limit} taken")
