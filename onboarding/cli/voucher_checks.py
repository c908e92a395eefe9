"""Which checks a voucher file passes, for people to read."""

from dataclasses import dataclass
from pathlib import Path

from onboarding.cli.files import read_file
from onboarding.cli.output import CliError, unusable
from onboarding.services import passport_pem
from ownership_vouchers.errors import Check, CheckFailed, VoucherError
from ownership_vouchers.pem import load_vouchers
from ownership_vouchers.types import Guid
from ownership_vouchers.verify import failed_checks
from ownership_vouchers.voucher import Voucher


@dataclass(frozen=True, slots=True)
class Checked:
    """One voucher's result: ``(check, reason)`` of each failure."""

    guid: Guid
    failures: tuple[tuple[str, str], ...]
    skipped: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return not self.failures


def read_vouchers(path: Path) -> list[Voucher]:
    """Read every voucher of a file.

    Raises:
        CliError: With exit code 2 when it cannot be read, and 1 when it can but is
            over a limit, a check like the others.
    """
    try:
        return load_vouchers(read_file(path))
    except CheckFailed as error:
        raise CliError(f"{path}: {error}", "It holds more than we take.") from error
    except VoucherError as error:
        raise unusable(
            f"{path}: no readable voucher: {error}",
            "It should hold ownership vouchers in PEM or CBOR.",
        ) from error


def read_passports(path: Path) -> list[bytes]:
    """Read every passport of a voucher file; none if there are none."""
    try:
        return passport_pem.load(read_file(path))
    except VoucherError as error:
        raise unusable(
            f"{path}: {error}", "Take the passport out, or ask its maker for it again."
        ) from error


def check(voucher: Voucher, hmac_secret: bytes | None) -> Checked:
    """Run every check there is something to check with."""
    failures = failed_checks(voucher, hmac_secret=hmac_secret)
    skipped = (Check.HEADER_HMAC.value,) if hmac_secret is None else ()
    return Checked(
        voucher.guid,
        tuple((one.check.value, one.reason) for one in failures),
        skipped,
    )
