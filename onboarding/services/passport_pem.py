"""Passports in voucher files: a PEM block of our own after the voucher's.

Readers of vouchers skip blocks they do not know, so the file stays one that
every FDO owner can import.
"""

import base64
import binascii
import re

from ownership_vouchers.errors import MalformedError

MAX_PASSPORT = 16 * 1024

_BEGIN = "-----BEGIN VOUCHGATE PASSPORT-----"
_END = "-----END VOUCHGATE PASSPORT-----"
_BLOCK = re.compile(
    rf"{_BEGIN}([A-Za-z0-9+/=\s]{{0,{2 * MAX_PASSPORT}}}){_END}".encode()
)


def dump(passport: bytes) -> str:
    """Write one PEM block, lines of 64 columns, with a newline at its end."""
    text = base64.b64encode(passport).decode()
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return "\n".join([_BEGIN, *lines, _END, ""])


def load(data: bytes) -> list[bytes]:
    """Return the passports in a file, none if there are none.

    Raises:
        MalformedError: A block that is not base64.
    """
    return [_unarmour(match[1]) for match in _BLOCK.finditer(data)]


def _unarmour(body: bytes) -> bytes:
    try:
        return base64.b64decode(b"".join(body.split()), validate=True)
    except binascii.Error as error:
        raise MalformedError("a passport block that is not base64") from error
