"""Vouchers on their way into the store, and what beside them is checked."""

import hashlib

from attestation.passport import Passport, open_passport, require_fit
from onboarding.store.voucher_rows import VoucherRecord
from ownership_vouchers.voucher import Voucher


def record_of(
    voucher: Voucher, serial: str, now: int, passport: bytes | None = None
) -> VoucherRecord:
    """Return the store's record of a voucher; its bytes stay as received."""
    return VoucherRecord(
        voucher.guid.raw,
        voucher.raw,
        _sha256(voucher.header.raw + voucher.hmac_raw),
        tuple(_sha256(entry.raw) for entry in voucher.entries),
        serial,
        voucher.header.device_info,
        voucher.owner_key.fingerprint(),
        now,
        passport,
    )


def checked_passport(data: bytes, voucher: Voucher) -> Passport:
    """Open a passport that came with ``voucher``.

    Raises:
        DocumentRefused: Not signed by the voucher's manufacturer, or of another
            device.
    """
    passport = open_passport(data, voucher.header.manufacturer_key.key)
    require_fit(passport, voucher.guid, voucher.device_key)
    return passport


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()
