"""Vouchers on their way into the store."""

import hashlib

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


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()
