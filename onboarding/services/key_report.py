"""What still hangs on an owner key, verified anew from the stored bytes."""

from dataclasses import dataclass

from onboarding.services.context import Context
from onboarding.services.voucher_records import record_of
from onboarding.store.errors import NotFound
from onboarding.store.owner_keys import HeldVoucher, Hold
from onboarding.store.pages import Page
from onboarding.store.voucher_rows import VoucherRecord
from ownership_vouchers.errors import VoucherError
from ownership_vouchers.verify import failed_checks
from ownership_vouchers.voucher import Voucher

INDEX = "index"
MALFORMED = "malformed"

# What frees the key of a voucher that hangs on it.
NEXT: dict[Hold, str] = {
    Hold.WAITING: "onboard the device, or extend its voucher to another key of ours",
    Hold.ONBOARDED: "extend the voucher to another key of ours, then onboard the device"
    " again",
    Hold.MOVING: "onboard the device again",
    Hold.FALLBACK: "the device must be seen under its new GUID, or onboarded again",
}


@dataclass(frozen=True, slots=True)
class Failure:
    """A check that a stored voucher did not pass, and why."""

    check: str
    reason: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """One voucher that hangs on the key; without failures it holds."""

    held: HeldVoucher
    entries: int
    failures: tuple[Failure, ...]

    @property
    def next(self) -> str | None:
        """What has to be done so that the key is no longer needed for it."""
        return NEXT.get(self.held.hold)


def verdicts(
    context: Context, fingerprint: str, cursor: str | None, limit: int
) -> Page[Verdict]:
    """Verify a page of the vouchers that hang on a key, each from its bytes.

    Chain and certificates are checked, that the last entry names the key (but for
    ``moving``, which ends in another one), and that the columns by which the voucher
    is found say what its bytes say. The header's HMAC only the device can check.
    """
    page = context.stores.owner_keys.held(fingerprint, cursor, limit)
    found = tuple(_verdict(context, one, fingerprint) for one in page.items)
    return Page(found, page.cursor)


def _verdict(context: Context, held: HeldVoucher, fingerprint: str) -> Verdict:
    try:
        record = context.stores.lineage.get(held.guid)
        voucher = Voucher.from_cbor(record.cbor)
        failures = tuple(
            Failure(one.check.value, str(one)) for one in failed_checks(voucher)
        )
        failures += _misplaced(voucher, record, held, fingerprint)
    except VoucherError as error:
        return Verdict(held, 0, (Failure(MALFORMED, str(error)),))
    except NotFound:
        gone = Failure(INDEX, "the voucher was deleted or replaced meanwhile")
        return Verdict(held, 0, (gone,))
    return Verdict(held, len(voucher.entries), failures)


def _misplaced(
    voucher: Voucher, record: VoucherRecord, held: HeldVoucher, fingerprint: str
) -> tuple[Failure, ...]:
    anew = record_of(voucher, record.serial, record.added_at)
    if (
        held.hold not in (Hold.MOVING, Hold.SOLD)
        and anew.key_fingerprint != fingerprint
    ):
        told = f"the last entry names key {anew.key_fingerprint}"
        return (Failure("owner_key", told),)
    said = (record.guid, record.header_digest, record.entry_digests)
    if said != (anew.guid, anew.header_digest, anew.entry_digests):
        return (Failure(INDEX, "the row does not say what the voucher says"),)
    if record.key_fingerprint != anew.key_fingerprint:
        return (Failure(INDEX, "the row names another owner key than the voucher"),)
    return ()
