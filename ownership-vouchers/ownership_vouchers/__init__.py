"""The FDO ownership voucher: read, verify, extend and show it.

Pure functions over bytes: nothing here opens a file or a socket, asks the
time or logs. Every error is a :class:`~ownership_vouchers.errors.VoucherError`.
"""
