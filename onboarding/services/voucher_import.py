"""Bulk import: every voucher of a file, with a result for each."""

import logging
from dataclasses import dataclass
from enum import StrEnum, unique

from attestation.errors import DocumentRefused
from attestation.passport import Passport
from onboarding.services import passport_pem, to0
from onboarding.services.context import Context
from onboarding.services.key_store import KeyKind
from onboarding.services.passports import StoredPassport, claimed_guid, of_import
from onboarding.services.trust import Trust, load_trust
from onboarding.services.voucher_records import record_of
from onboarding.store.errors import DuplicateVoucher
from onboarding.store.events import Event
from onboarding.store.vouchers import Added
from ownership_vouchers.errors import CheckFailed, UnsupportedKeyError, VoucherError
from ownership_vouchers.keys import PublicKey
from ownership_vouchers.pem import load_voucher, split_vouchers
from ownership_vouchers.types import Guid
from ownership_vouchers.verify import verify
from ownership_vouchers.voucher import Voucher

log = logging.getLogger(__name__)


@unique
class ItemStatus(StrEnum):
    """What became of one voucher."""

    IMPORTED = "imported"
    EXTENDED = "extended"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


_STATUS = {
    Added.STORED: ItemStatus.IMPORTED,
    Added.EXTENDED: ItemStatus.EXTENDED,
    Added.UNCHANGED: ItemStatus.UNCHANGED,
}


@dataclass(frozen=True, slots=True)
class ItemResult:
    """One line of an import's answer; ``code`` names the check that failed."""

    index: int
    guid: Guid | None
    status: ItemStatus
    passport: str  # stored, none, or refused
    code: str | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class _Import:
    context: Context
    actor: str
    trust: Trust
    owner_keys: tuple[PublicKey, ...]
    passports: dict[Guid, bytes]


def import_vouchers(context: Context, data: bytes, actor: str) -> list[ItemResult]:
    """Take every voucher of a PEM or CBOR file that holds and is ours.

    Raises:
        VoucherError: The file as a whole is none of vouchers.
    """
    blocks = split_vouchers(data)
    ring = context.keyrings[KeyKind.OWNER]
    ring.refresh()
    work = _Import(
        context,
        actor,
        load_trust(context.stores.settings),
        ring.public_keys(),
        _passports(data),
    )
    return [_item(work, index, block) for index, block in enumerate(blocks)]


def _passports(data: bytes) -> dict[Guid, bytes]:
    found = ((claimed_guid(one), one) for one in passport_pem.load(data))
    return {guid: document for guid, document in found if guid is not None}


def _item(work: _Import, index: int, block: bytes) -> ItemResult:
    guid: Guid | None = None
    try:
        voucher = load_voucher(block)
        guid = voucher.guid
        return _store(work, index, voucher)
    except (VoucherError, DuplicateVoucher) as error:
        code = _code(error)
        _log_refusal(work, guid, code, str(error))
        return ItemResult(index, guid, ItemStatus.REFUSED, "none", code, str(error))


def _store(work: _Import, index: int, voucher: Voucher) -> ItemResult:
    _require_usable(work.context, voucher)
    verify(voucher, device_roots=work.trust.roots, owner_keys=work.owner_keys)
    if not work.trust.admits(voucher.header.manufacturer_key):
        raise UntrustedManufacturer("the manufacturer's key is not a trusted one")
    stored, passport, how = _passport(work, voucher)
    now = work.context.now()
    serial = passport.serial if passport else ""
    encoded = stored.encode() if stored else None
    record = record_of(voucher, serial, now, encoded)
    added = work.context.stores.vouchers.add(record, work.actor, bought=True)
    if added is not Added.UNCHANGED:
        _prepare(work, voucher.guid, passport, now)
    return ItemResult(index, voucher.guid, _STATUS[added], how)


def _prepare(work: _Import, guid: Guid, passport: Passport | None, now: int) -> None:
    stores = work.context.stores
    if passport is not None:
        stores.devices.describe(guid.raw, work.actor, now, profile=passport.profile)
    to0.plan(stores, guid.raw, now)


def _passport(
    work: _Import, voucher: Voucher
) -> tuple[StoredPassport | None, Passport | None, str]:
    document = work.passports.get(voucher.guid)
    if document is None:
        return None, None, "none"
    try:
        stored, passport = of_import(document, voucher)
    except DocumentRefused as error:
        log.warning("passport of %s refused: %s", voucher.guid, error)
        return None, None, "refused"
    return stored, passport, "stored"


def _require_usable(context: Context, voucher: Voucher) -> None:
    one = context.owner_keys.standing(voucher.owner_key.fingerprint())
    if not one.state.usable:
        raise OwnerKeyBlocked(
            f"the voucher ends in owner key {one.fingerprint}, which is"
            f" {one.state}: {one.reason}"
        )


class OwnerKeyBlocked(VoucherError):
    """The voucher is ours, by a key that was retired or revoked."""


class UntrustedManufacturer(VoucherError):
    """The voucher holds, but nobody said that its maker is to be trusted."""


def _code(error: Exception) -> str:
    match error:
        case CheckFailed():
            return error.check.value
        case OwnerKeyBlocked():
            return "key_blocked"
        case UntrustedManufacturer():
            return "manufacturer"
        case UnsupportedKeyError():
            return "unsupported_key"
        case DuplicateVoucher():
            return "duplicate"
        case _:
            return "malformed"


def _log_refusal(work: _Import, guid: Guid | None, code: str, detail: str) -> None:
    raw = None if guid is None else guid.raw
    told = {"code": code, "detail": detail[:500]}
    event = Event("voucher.refused", work.actor, work.context.now(), raw, None, told)
    work.context.stores.events.append(event)
