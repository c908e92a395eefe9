"""How one entry of a voucher hangs on what stands before it.

Source: FDO 1.1, sections 3.4.3 and 3.4.6.
"""

from ownership_vouchers.device_chain import chain_holds
from ownership_vouchers.entry import Entry
from ownership_vouchers.errors import (
    Check,
    CheckFailed,
    MalformedError,
    SignatureError,
)
from ownership_vouchers.header import Header
from ownership_vouchers.keys import PublicKey
from ownership_vouchers.types import Hash, HashType


def verify_entry(
    entry: Entry,
    *,
    header: Header,
    signer: PublicKey,
    previous: bytes,
    hash_type: HashType | None = None,
) -> HashType:
    """Check one entry, as a device does while they come in.

    Args:
        entry: The entry to check.
        header: The voucher's header, itself checked already.
        signer: Manufacturer's key for entry 0, else the key in the entry before.
        previous: ``first_link(header.raw, hmac_raw)`` for entry 0, else the raw
            bytes of the entry before.
        hash_type: What this call returned for the entry before; None for entry 0.

    Returns:
        The hash type of this entry, to be handed to the next call.

    Raises:
        CheckFailed: ``entries``, ``key_types`` or ``key_chains``.

    Source: FDO 1.1, sections 3.4.3 and 5.5.5.
    """
    used = check_link(entry, header, signer, previous, hash_type)
    check_key_type(entry.public_key, header.manufacturer_key)
    check_key_chain(entry.public_key)
    return used


def first_link(header_raw: bytes, hmac_raw: bytes) -> bytes:
    """Return what OVEHashPrevEntry of entry 0 covers."""
    return header_raw + hmac_raw


def check_link(
    entry: Entry,
    header: Header,
    signer: PublicKey,
    previous: bytes,
    hash_type: HashType | None,
) -> HashType:
    used = _hash_type(entry)
    if hash_type not in (None, used):
        raise CheckFailed(Check.ENTRIES, "hashed with another algorithm than before")
    if not entry.prev_hash.agrees(Hash.of(used, previous)):
        raise CheckFailed(Check.ENTRIES, "does not continue what stands before it")
    if not entry.header_hash.agrees(Hash.of(used, header.info)):
        raise CheckFailed(Check.ENTRIES, "is not for this GUID and device info")
    try:
        _check_signature(entry, signer)
    except (SignatureError, MalformedError) as error:
        raise CheckFailed(Check.ENTRIES, str(error)) from error
    return used


def _hash_type(entry: Entry) -> HashType:
    if entry.prev_hash.type not in (HashType.SHA256, HashType.SHA384):
        raise CheckFailed(Check.ENTRIES, f"hash type {entry.prev_hash.type}")
    return HashType(entry.prev_hash.type)


def _check_signature(entry: Entry, signer: PublicKey) -> None:
    """The protected header may say the algorithm of the key and nothing else."""
    if dict(entry.sign1.headers) != {1: int(signer.alg)}:
        raise SignatureError("protected header is not just the key's algorithm")
    entry.sign1.verify(signer.key)


def check_key_type(key: PublicKey, first: PublicKey) -> None:
    if (key.type, key.alg) != (first.type, first.alg):
        raise CheckFailed(
            Check.KEY_TYPES,
            f"{key.type.name}/{key.alg.name} in a voucher of"
            f" {first.type.name}/{first.alg.name}",
        )


def check_key_chain(key: PublicKey) -> None:
    """Check that each certificate of an X5CHAIN key was issued by the next.

    Whose authority the last one is, is for the owner's policy; dates do not count, as
    a device has no clock. Source: FDO 1.1, section 3.3.4.
    """
    if key.chain and not chain_holds(key.chain):
        raise CheckFailed(Check.KEY_CHAINS, "a certificate the next one did not issue")
