"""Voucher files: PEM or CBOR, one voucher or several; and the keys of buyers.

PEM is read with either line ending and with text around the blocks. A CBOR
file is one voucher after another (RFC 8742).
"""

import base64
import binascii

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from ownership_vouchers import cbor
from ownership_vouchers.algorithms import VerifyKey, alg_for
from ownership_vouchers.errors import (
    Check,
    CheckFailed,
    MalformedError,
    UnsupportedKeyError,
)
from ownership_vouchers.keys import UNREADABLE, certificate_key
from ownership_vouchers.voucher import MAX_VOUCHER, Voucher

MAX_VOUCHERS = 10_000
MAX_FILE = 64 * 1024 * 1024

BEGIN = b"-----BEGIN OWNERSHIP VOUCHER-----"
END = b"-----END OWNERSHIP VOUCHER-----"
_COLUMNS = 64
_SPACE = b" \t\r\n"


def load_vouchers(data: bytes, limit: int = MAX_VOUCHERS) -> list[Voucher]:
    """Read every voucher of a file.

    Raises:
        MalformedError: No voucher in it, or one that cannot be read.
        UnsupportedKeyError: A key that we do not take.
        CheckFailed: Over a limit.
    """
    return [load_voucher(block) for block in split_vouchers(data, limit)]


def split_vouchers(data: bytes, limit: int = MAX_VOUCHERS) -> list[bytes]:
    """Cut a file into its vouchers, each for ``load_voucher``.

    So an import can take the good ones and refuse the others one by one.

    Raises:
        MalformedError: No voucher in it, or where one ends cannot be told.
        CheckFailed: ``limits``: over 64 MiB, or more than ``limit`` vouchers.
    """
    if len(data) > MAX_FILE:
        raise CheckFailed(Check.LIMITS, f"file over {MAX_FILE} bytes")
    if BEGIN in data:
        blocks = _split_pem(data)
    else:
        blocks = list(cbor.split_sequence(data, limit + 1, MAX_VOUCHER))
    if not blocks:
        raise MalformedError("no ownership voucher in it")
    if len(blocks) > limit:
        raise CheckFailed(Check.LIMITS, f"more than {limit} vouchers")
    return blocks


def load_buyer(data: bytes) -> tuple[VerifyKey, tuple[x509.Certificate, ...]]:
    """Read a PEM public key, or the certificate chain of one, leaf first.

    Raises:
        MalformedError: Neither.
        UnsupportedKeyError: A key of a kind that FDO does not use.
    """
    try:
        if b"BEGIN CERTIFICATE" in data:
            chain = tuple(x509.load_pem_x509_certificates(data))
            return certificate_key(chain[0]), chain
        key = load_pem_public_key(data)
    except (*UNREADABLE, UnsupportedAlgorithm) as error:
        raise MalformedError("neither a public key nor a certificate in PEM") from error
    if not isinstance(key, VerifyKey):
        raise UnsupportedKeyError("a key of a kind that FDO does not use")
    alg_for(key)
    return key, ()


def load_voucher(block: bytes) -> Voucher:
    """Read one voucher, PEM or CBOR. Errors as for ``load_vouchers``."""
    if block.startswith(BEGIN):
        return Voucher.from_cbor(_unarmour(block))
    return Voucher.from_cbor(block)


def dump_pem(voucher: Voucher) -> str:
    """Write one PEM block, lines of 64 columns, with a newline at its end."""
    text = base64.b64encode(voucher.raw).decode()
    lines = [text[i : i + _COLUMNS] for i in range(0, len(text), _COLUMNS)]
    return "\n".join([BEGIN.decode(), *lines, END.decode(), ""])


def _split_pem(data: bytes) -> list[bytes]:
    blocks = []
    for part in data.split(BEGIN)[1:]:
        body, end, _ = part.partition(END)
        if not end:
            raise MalformedError("a PEM block without its end")
        blocks.append(BEGIN + body + END)
    return blocks


def _unarmour(block: bytes) -> bytes:
    body = block.removeprefix(BEGIN).removesuffix(END)
    if len(body) > 2 * MAX_VOUCHER:
        raise CheckFailed(Check.LIMITS, f"voucher over {MAX_VOUCHER} bytes")
    try:
        return base64.b64decode(body.translate(None, _SPACE), validate=True)
    except binascii.Error as error:
        raise MalformedError("a PEM block that is not base64") from error
