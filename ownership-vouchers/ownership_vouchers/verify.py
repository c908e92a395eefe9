"""Does a voucher hold? Each check by itself, and all of them together.

Source: FDO 1.1, section 3.4.6. Nothing here knows the time: the dates of a
device's certificates are not looked at, since a device may have no clock.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from cryptography.x509 import Certificate

from ownership_vouchers.device_chain import check_device_chain
from ownership_vouchers.errors import (
    Check,
    CheckFailed,
    MalformedError,
    SignatureError,
)
from ownership_vouchers.keys import PublicKey
from ownership_vouchers.types import Hash, HashType
from ownership_vouchers.voucher import PROTOCOL_VERSION, Entry, Header, Voucher

_PROOF = object()


class VerifiedVoucher:
    """Proof that ``verify`` ran: it can be built nowhere else.

    ``checks`` says what was really checked; the header's HMAC, for one, only
    if the device's secret was at hand.
    """

    __slots__ = ("_checks", "_voucher")

    def __init__(
        self, voucher: Voucher, checks: frozenset[Check], *, proof: object
    ) -> None:
        if proof is not _PROOF:
            raise TypeError("a VerifiedVoucher comes from verify() only")
        self._voucher = voucher
        self._checks = checks

    @property
    def voucher(self) -> Voucher:
        return self._voucher

    @property
    def checks(self) -> frozenset[Check]:
        return self._checks


@dataclass(frozen=True, slots=True)
class Expected:
    """What the verifier knows besides the voucher; None leaves a check out."""

    hmac_secret: bytes | None = field(default=None, repr=False)
    mfg_key_hash: Hash | None = None
    device_roots: Sequence[Certificate] | None = None
    owner_keys: Sequence[PublicKey] | None = None


def verify(
    voucher: Voucher,
    *,
    hmac_secret: bytes | None = None,
    mfg_key_hash: Hash | None = None,
    device_roots: Sequence[Certificate] | None = None,
    owner_keys: Sequence[PublicKey] | None = None,
) -> VerifiedVoucher:
    """Run every check there is something to check with.

    Args:
        voucher: As decoded.
        hmac_secret: The device's secret; only device and factory know it.
        mfg_key_hash: Hash of the manufacturer's key, as the device keeps it.
        device_roots: Authorities one of which must have issued the device's
            chain. Without any, the last certificate of the chain is trusted.
        owner_keys: Keys of which the voucher's last entry must name one.

    Raises:
        CheckFailed: The first check that fails; cryptographic ones come first.

    Source: FDO 1.1, section 3.4.6.
    """
    expected = Expected(hmac_secret, mfg_key_hash, device_roots, owner_keys)
    checks = _applicable(expected)
    for check in checks:
        _CHECKS[check](voucher, expected)
    return VerifiedVoucher(voucher, frozenset(checks), proof=_PROOF)


def failed_checks(
    voucher: Voucher,
    *,
    hmac_secret: bytes | None = None,
    mfg_key_hash: Hash | None = None,
    device_roots: Sequence[Certificate] | None = None,
    owner_keys: Sequence[PublicKey] | None = None,
) -> tuple[CheckFailed, ...]:
    """Run every check by itself and return all that fail, in ``verify``'s order.

    Arguments as for ``verify``, which passes exactly if this is empty.
    """
    expected = Expected(hmac_secret, mfg_key_hash, device_roots, owner_keys)
    failures = []
    for check in _applicable(expected):
        try:
            _CHECKS[check](voucher, expected)
        except CheckFailed as failure:
            failures.append(failure)
    return tuple(failures)


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
        CheckFailed: ``entries`` or ``key_types``.

    Source: FDO 1.1, sections 3.4.3 and 5.5.5.
    """
    used = _check_link(entry, header, signer, previous, hash_type)
    _check_key_type(entry.public_key, header.manufacturer_key)
    return used


def first_link(header_raw: bytes, hmac_raw: bytes) -> bytes:
    """Return what OVEHashPrevEntry of entry 0 covers."""
    return header_raw + hmac_raw


def _check_link(
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


def _check_key_type(key: PublicKey, first: PublicKey) -> None:
    if (key.type, key.alg) != (first.type, first.alg):
        raise CheckFailed(
            Check.KEY_TYPES,
            f"{key.type.name}/{key.alg.name} in a voucher of"
            f" {first.type.name}/{first.alg.name}",
        )


def _protocol_version(voucher: Voucher, _: Expected) -> None:
    for name, version in (
        ("voucher", voucher.protver),
        ("header", voucher.header.protver),
    ):
        if version != PROTOCOL_VERSION:
            raise CheckFailed(Check.PROTOCOL_VERSION, f"{name} says {version}, not 101")


def _header_hmac(voucher: Voucher, expected: Expected) -> None:
    secret = expected.hmac_secret or b""
    if not voucher.header.mac(voucher.hmac.type, secret).same(voucher.hmac):
        raise CheckFailed(Check.HEADER_HMAC, "not made with the device's secret")


def _mfg_key_hash(voucher: Voucher, expected: Expected) -> None:
    wanted = expected.mfg_key_hash
    if wanted is None or not voucher.header.key_hash(wanted.type).same(wanted):
        raise CheckFailed(Check.MFG_KEY_HASH, "another manufacturer's key")


def _cert_chain_hash(voucher: Voucher, _: Expected) -> None:
    wanted, chain = voucher.header.cert_chain_hash, voucher.cert_chain
    if wanted is None and chain is None:
        return  # refused by the device_chain check
    if wanted is None or chain is None:
        raise CheckFailed(Check.CERT_CHAIN_HASH, "chain and hash do not go together")
    if not Hash.of(wanted.type, *chain).same(wanted):
        raise CheckFailed(Check.CERT_CHAIN_HASH, "not the chain the header names")


def _entries(voucher: Voucher, _: Expected) -> None:
    """Entry i is verified with the key of entry i-1 and with no other."""
    signer = voucher.header.manufacturer_key
    previous = first_link(voucher.header.raw, voucher.hmac_raw)
    hash_type: HashType | None = None
    for index, entry in enumerate(voucher.entries):
        try:
            hash_type = _check_link(entry, voucher.header, signer, previous, hash_type)
        except CheckFailed as error:
            raise CheckFailed(
                Check.ENTRIES, f"entry {index}: {error.reason}"
            ) from error
        signer, previous = entry.public_key, entry.raw


def _key_types(voucher: Voucher, _: Expected) -> None:
    for entry in voucher.entries:
        _check_key_type(entry.public_key, voucher.header.manufacturer_key)


def _device_chain(voucher: Voucher, expected: Expected) -> None:
    check_device_chain(voucher.cert_chain or (), expected.device_roots)


def _device_info(voucher: Voucher, _: Expected) -> None:
    if not voucher.header.device_info:
        raise CheckFailed(Check.DEVICE_INFO, "is empty")


def _rv_info(voucher: Voucher, _: Expected) -> None:
    if not voucher.header.rv_info.directives:
        raise CheckFailed(Check.RV_INFO, "has no directive")


def _owner_key(voucher: Voucher, expected: Expected) -> None:
    if not voucher.entries:
        raise CheckFailed(Check.OWNER_KEY, "was never extended to an owner")
    ours = {key.spki for key in expected.owner_keys or ()}
    if voucher.owner_key.spki not in ours:
        raise CheckFailed(Check.OWNER_KEY, "belongs to somebody else")


# In the order in which ``verify`` runs them: was it tampered with comes before
# is it of use. Limits are held by the decoder.
_CHECKS: dict[Check, Callable[[Voucher, Expected], None]] = {
    Check.PROTOCOL_VERSION: _protocol_version,
    Check.HEADER_HMAC: _header_hmac,
    Check.MFG_KEY_HASH: _mfg_key_hash,
    Check.CERT_CHAIN_HASH: _cert_chain_hash,
    Check.ENTRIES: _entries,
    Check.KEY_TYPES: _key_types,
    Check.DEVICE_CHAIN: _device_chain,
    Check.DEVICE_INFO: _device_info,
    Check.RV_INFO: _rv_info,
    Check.OWNER_KEY: _owner_key,
}


def _applicable(expected: Expected) -> list[Check]:
    without = {
        Check.HEADER_HMAC: expected.hmac_secret is None,
        Check.MFG_KEY_HASH: expected.mfg_key_hash is None,
        Check.OWNER_KEY: expected.owner_keys is None,
    }
    return [check for check in _CHECKS if not without.get(check, False)]
