"""Bulk import: every voucher of a file, with a result for each."""

import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum, unique
from typing import TypeVar

from attestation.errors import DocumentRefused
from attestation.passport import Passport
from onboarding.services import passport_pem, to0
from onboarding.services.context import Context
from onboarding.services.key_store import KeyKind
from onboarding.services.passports import StoredPassport, claimed_guid, of_import
from onboarding.services.trust import Trust, load_trust
from onboarding.services.voucher_records import record_of
from onboarding.store.arrivals import Added
from onboarding.store.errors import (
    Conflict,
    DuplicateVoucher,
    InvalidRecord,
    OlderVoucher,
)
from onboarding.store.events import Event
from onboarding.store.voucher_rows import VoucherRecord
from ownership_vouchers.errors import CheckFailed, UnsupportedKeyError, VoucherError
from ownership_vouchers.keys import PublicKey
from ownership_vouchers.pem import load_voucher, split_vouchers
from ownership_vouchers.types import Guid
from ownership_vouchers.verify import verify
from ownership_vouchers.voucher import Voucher

OLDER = "older"  # code of one that was refused for what is here in its place
TOGETHER = 30  # vouchers of one commit, which others wait for

T = TypeVar("T")

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
class Work:
    """What an import goes by, as of its beginning; ``passports`` may grow."""

    context: Context
    actor: str
    trust: Trust
    owner_keys: tuple[PublicKey, ...]
    passports: dict[Guid, bytes]


@dataclass(frozen=True, slots=True)
class _Arrival:
    """A voucher that holds; ``how`` says what became of its passport."""

    guid: Guid
    record: VoucherRecord
    passport: Passport | None
    how: str
    added: Added = Added.UNCHANGED


@dataclass(frozen=True, slots=True)
class _Refusal:
    guid: Guid | None
    error: Exception


@dataclass(frozen=True, slots=True)
class Import:
    """An import under way: each result comes when its voucher has been dealt with."""

    total: int
    results: Iterator[ItemResult]


def import_vouchers(context: Context, data: bytes, actor: str) -> list[ItemResult]:
    """Take every voucher of a PEM or CBOR file that holds and is ours.

    Raises:
        VoucherError: The file as a whole is none of vouchers.
    """
    return list(begin_import(context, data, actor).results)


def begin_import(context: Context, data: bytes, actor: str) -> Import:
    """As ``import_vouchers``, a part of the file for each result that needs one.

    Raises:
        VoucherError: The file as a whole is none of vouchers.
    """
    blocks = split_vouchers(data)
    work = begun(context, actor)
    work.passports.update(passports_of(data))
    parts = range(0, len(blocks), TOGETHER)
    found = (deal(work, blocks[at : at + TOGETHER], at) for at in parts)
    return Import(len(blocks), (one for part in found for one in part))


def begun(context: Context, actor: str) -> Work:
    """Whom vouchers are taken from and whose they may be, just now."""
    ring = context.keyrings[KeyKind.OWNER]
    ring.refresh()
    trust = load_trust(context.stores.settings)
    return Work(context, actor, trust, ring.public_keys(), {})


def deal(work: Work, blocks: Sequence[bytes], first: int) -> list[ItemResult]:
    """Take some vouchers in one commit; ``first`` is the number of the first."""
    found = enumerate(_part(work, blocks), first)
    return [_result(number, one) for number, one in found]


def passports_of(data: bytes) -> dict[Guid, bytes]:
    """The passports in a file, or in the text between vouchers, by device.

    Raises:
        MalformedError: A block that is not base64.
    """
    found = ((claimed_guid(one), one) for one in passport_pem.load(data))
    return {guid: document for guid, document in found if guid is not None}


def _part(work: Work, blocks: Sequence[bytes]) -> list[_Arrival | _Refusal]:
    """Check some vouchers, then store those that hold in one commit."""
    found = [_checked(work, block) for block in _giving_way(blocks)]
    good = [one for one in found if isinstance(one, _Arrival)]
    settled = iter(_settled(work, good))
    found = [next(settled) if isinstance(one, _Arrival) else one for one in found]
    refused = [one for one in found if isinstance(one, _Refusal)]
    if refused:
        events = (_refused(work, one) for one in refused)
        work.context.stores.events.append(*events)
    return found


def _giving_way(items: Iterable[T]) -> Iterator[T]:
    """Hand them out, and leave interpreter and processor to whoever waits before each.

    The loop that answers devices, say: where there is one processor, the system would
    leave it to a thread that only computes for 3 ms.
    """
    for one in items:
        os.sched_yield()
        yield one


def _checked(work: Work, block: bytes) -> _Arrival | _Refusal:
    guid: Guid | None = None
    try:
        voucher = load_voucher(block)
        guid = voucher.guid
        return _arrival(work, voucher)
    except VoucherError as error:
        return _Refusal(guid, error)


def _arrival(work: Work, voucher: Voucher) -> _Arrival:
    _require_usable(work.context, voucher)
    verify(voucher, device_roots=work.trust.roots, owner_keys=work.owner_keys)
    if not work.trust.admits(voucher.header.manufacturer_key):
        raise UntrustedManufacturer("the manufacturer's key is not a trusted one")
    stored, passport, how = _passport(work, voucher)
    serial = passport.serial if passport else ""
    encoded = stored.encode() if stored else None
    record = record_of(voucher, serial, work.context.now(), encoded)
    return _Arrival(voucher.guid, record, passport, how)


def _settled(work: Work, good: Sequence[_Arrival]) -> list[_Arrival | _Refusal]:
    """Store them together; by themselves, if one of them cannot be."""
    if not good:
        return []
    try:
        return _stored(work, good)
    except (InvalidRecord, Conflict) as error:
        if len(good) == 1:
            return [_Refusal(good[0].guid, error)]
    return [done for one in good for done in _settled(work, [one])]


def _stored(work: Work, good: Sequence[_Arrival]) -> list[_Arrival | _Refusal]:
    stores = work.context.stores
    records = _giving_way(one.record for one in good)
    done = stores.vouchers.add_all(records, work.actor, bought=True, begins=to0.KIND)
    found: list[_Arrival | _Refusal] = []
    for one, added in zip(good, done, strict=True):
        if isinstance(added, DuplicateVoucher):
            found.append(_Refusal(one.guid, added))
            continue
        found.append(replace(one, added=added))
        if one.passport is not None and added is not Added.UNCHANGED:
            at, profile = one.record.added_at, one.passport.profile
            stores.devices.describe(one.guid.raw, work.actor, at, profile=profile)
    return found


def _result(index: int, one: _Arrival | _Refusal) -> ItemResult:
    if isinstance(one, _Refusal):
        code, why = _code(one.error), str(one.error)
        return ItemResult(index, one.guid, ItemStatus.REFUSED, "none", code, why)
    return ItemResult(index, one.guid, _STATUS[one.added], one.how)


def _passport(
    work: Work, voucher: Voucher
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
        case OlderVoucher():
            return OLDER
        case DuplicateVoucher():
            return "duplicate"
        case _:
            return "malformed"


def _refused(work: Work, one: _Refusal) -> Event:
    raw = None if one.guid is None else one.guid.raw
    told = {"code": _code(one.error), "detail": str(one.error)[:500]}
    return Event("voucher.refused", work.actor, work.context.now(), raw, None, told)
