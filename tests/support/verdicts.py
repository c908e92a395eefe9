"""What the library says about some bytes, in one word, and vector files."""

from dataclasses import dataclass
from pathlib import Path

from ownership_vouchers.errors import CheckFailed, MalformedError, UnsupportedKeyError
from ownership_vouchers.verify import failed_checks
from ownership_vouchers.voucher import Voucher


def verdict(data: bytes, hmac_secret: bytes | None) -> str:
    """Return ``ok``, ``malformed``, ``unsupported_key``, or every failed check."""
    try:
        failures = failed_checks(Voucher.from_cbor(data), hmac_secret=hmac_secret)
    except MalformedError:
        return "malformed"
    except UnsupportedKeyError:
        return "unsupported_key"
    except CheckFailed as failure:
        return failure.check.value
    return " ".join(failure.check.value for failure in failures) or "ok"


@dataclass(frozen=True, slots=True)
class Vector:
    """A vector file: lines ``name: value``, an empty line, then hexadecimal."""

    fields: dict[str, str]
    data: bytes

    @classmethod
    def read(cls, path: Path) -> "Vector":
        head, _, body = path.read_text().partition("\n\n")
        pairs = (line.partition(": ") for line in head.splitlines())
        return cls({name: value for name, _, value in pairs}, bytes.fromhex(body))
