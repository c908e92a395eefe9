"""Hand a voucher on to the next owner. Source: FDO 1.1, section 3.4.3."""

from collections.abc import Mapping

from cryptography import x509

from ownership_vouchers import cbor
from ownership_vouchers.algorithms import Signer, VerifyKey
from ownership_vouchers.cose import sign1
from ownership_vouchers.errors import Check, CheckFailed
from ownership_vouchers.keys import KeyEncoding, PublicKey
from ownership_vouchers.types import Hash, HashType
from ownership_vouchers.verify import VerifiedVoucher, first_link, verify, verify_entry
from ownership_vouchers.voucher import MAX_ENTRIES, Voucher


def extend(
    voucher: VerifiedVoucher | Voucher,
    signer: Signer,
    owner_key: PublicKey,
    next_key: PublicKey,
    extra: Mapping[int, bytes] | None = None,
) -> Voucher:
    """Sign the voucher over to ``next_key``; the given one stays as it is.

    Args:
        voucher: Verified here if it was not before.
        signer: Holds the private half of ``owner_key``.
        owner_key: Who gives: must be the voucher's current owner.
        next_key: Who gets: must be of the manufacturer key's type.
        extra: OVEExtra; None is written as null.

    Raises:
        CheckFailed: The voucher does not hold, is not ``owner_key``'s to give
            (``owner_key``), would mix key types or be too long (``limits``), or
            ``signer`` is not the owner (``entries``).
    """
    given = voucher if isinstance(voucher, VerifiedVoucher) else verify(voucher)
    old = given.voucher
    if not old.owner_key.same_key(owner_key):
        raise CheckFailed(Check.OWNER_KEY, "the voucher is not this owner's to give")
    if len(old.entries) >= MAX_ENTRIES:
        raise CheckFailed(Check.LIMITS, f"{MAX_ENTRIES} entries, no more fit")
    previous = first_link(old.header.raw, old.hmac_raw)
    if old.entries:
        previous = old.entries[-1].raw
    used = entry_hash_type(old)
    payload = _payload(old, used, previous, next_key, extra)
    new = old.with_entry(sign1(signer, payload).encode())
    verify_entry(
        new.entries[-1],
        header=old.header,
        signer=old.owner_key,
        previous=previous,
        hash_type=used,
    )
    return new


def next_owner_key(
    voucher: Voucher, key: VerifyKey, chain: tuple[x509.Certificate, ...] = ()
) -> PublicKey:
    """Write a buyer's key the way the manufacturer's is written in ``voucher``.

    Without a ``chain`` an X5CHAIN voucher gets a plain X.509 key.

    Raises:
        UnsupportedKeyError: The key is not of the voucher's type.
    """
    first = voucher.header.manufacturer_key
    encoding = first.encoding
    if encoding is KeyEncoding.X5CHAIN and not chain:
        encoding = KeyEncoding.X509
    return PublicKey.of(key, encoding, chain, key_type=first.type, bare=first.bare)


def entry_hash_type(voucher: Voucher) -> HashType:
    """Return what the next entry is hashed with: as before, or as the HMAC."""
    if voucher.entries:
        return HashType(voucher.entries[-1].prev_hash.type)
    return voucher.hmac.type.plain


def _payload(
    voucher: Voucher,
    used: HashType,
    previous: bytes,
    next_key: PublicKey,
    extra: Mapping[int, bytes] | None,
) -> bytes:
    """Write OVEntryPayload; the key goes in byte for byte."""
    return cbor.join(
        (
            cbor.encode(Hash.of(used, previous).to_item()),
            cbor.encode(Hash.of(used, voucher.header.info).to_item()),
            cbor.encode(None if extra is None else cbor.encode(dict(extra))),
            next_key.raw,
        )
    )
