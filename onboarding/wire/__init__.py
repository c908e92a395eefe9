"""FDO messages as values: each knows its bytes, none knows what follows.

Promise: every decoder either returns a value whose lengths, types and counts
are checked, or raises `ownership_vouchers.errors.VoucherError`.
"""
