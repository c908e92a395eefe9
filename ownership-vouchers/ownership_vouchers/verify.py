"""Does a voucher hold? Source: FDO 1.1, section 3.4.6."""

from collections.abc import Sequence

from cryptography.x509 import Certificate

from ownership_vouchers.checks import CHECKS, Expected, applicable
from ownership_vouchers.errors import Check, CheckFailed
from ownership_vouchers.keys import PublicKey
from ownership_vouchers.links import first_link, verify_entry
from ownership_vouchers.types import Hash
from ownership_vouchers.voucher import Voucher

__all__ = [
    "VerifiedVoucher",
    "failed_checks",
    "first_link",
    "verify",
    "verify_entry",
]

_PROOF = object()


class VerifiedVoucher:
    """Proof that ``verify`` ran, now or before ``restore``: built nowhere else.

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
    checks = applicable(expected)
    for check in checks:
        CHECKS[check](voucher, expected)
    return VerifiedVoucher(voucher, frozenset(checks), proof=_PROOF)


def restore(voucher: Voucher) -> VerifiedVoucher:
    """Take a voucher back from a store that only vouchers out of ``verify`` enter.

    Runs no check, and says so: ``checks`` is empty. Whoever can write to that store
    can do anything; checking again would cost each TO2 two signatures.
    """
    return VerifiedVoucher(voucher, frozenset(), proof=_PROOF)


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
    for check in applicable(expected):
        try:
            CHECKS[check](voucher, expected)
        except CheckFailed as failure:
            failures.append(failure)
    return tuple(failures)
