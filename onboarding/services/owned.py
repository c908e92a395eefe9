"""Our vouchers as TO2 and the device API use them: parsed once, kept by their bytes."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from attestation.passport import Passport
from onboarding.protocol.env import OwnedVoucher, Replacement
from onboarding.services.context import Context
from onboarding.services.credential_plan import Mode, planned, replacement
from onboarding.services.errors import KeyStoreError
from onboarding.services.passports import StoredPassport
from onboarding.services.site import stored_rendezvous_info
from onboarding.services.voucher_cache import USUAL, VoucherCache
from onboarding.store.errors import NotFound
from onboarding.store.voucher_rows import VoucherRecord
from ownership_vouchers.algorithms import SoftSigner, VerifyKey
from ownership_vouchers.types import Guid
from ownership_vouchers.verify import restore
from ownership_vouchers.voucher import Voucher

LATELY_SECONDS = 1.0
LATELY_KEPT = 128


@dataclass(frozen=True, slots=True)
class Owned:
    """One of our vouchers, with the key that speaks for its owner.

    ``signer`` is None when the key is not here (any more) or is blocked; ``speaker``
    is the key that the device knows us by: another one from when its voucher is
    signed over to a new key of ours until its next TO2. ``passport_digest`` is the
    SHA-256 of the passport as ``GET /vouchers/{guid}/passport`` gives it out.
    """

    voucher: Voucher
    serial: str
    device_key: VerifyKey
    signer: SoftSigner | None = field(repr=False)
    speaker: SoftSigner | None = field(repr=False)
    passport: Passport | None
    passport_digest: bytes | None
    to2: OwnedVoucher | None


class OwnedVouchers:
    """Looks vouchers up for each message; parses each of them once."""

    def __init__(
        self, context: Context, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._context = context
        self._monotonic = monotonic
        self._recent: dict[Guid, tuple[float, Owned | None]] = {}
        self._cache: VoucherCache[Owned] = VoucherCache(context.settings.voucher_cache)

    def find(self, guid: Guid) -> Owned | None:
        """Return the voucher of that GUID, the stand-by one included."""
        try:
            record = self._context.stores.vouchers.get(guid.raw)
        except NotFound:
            return None
        info = stored_rendezvous_info(self._context.stores.settings)
        digest = hashlib.sha256(record.cbor)
        digest.update(record.passport or b"")
        digest.update(record.plan or b"")
        digest.update(b"retired" if record.retired else b"")
        digest.update((record.known_key or "").encode())
        digest.update(info or b"")
        digest.update(self._context.key_mark())
        return self._cache.get(
            guid.raw,
            digest.digest(),
            len(record.cbor),
            lambda: self._parse(record, info),
        )

    def lately(self, guid: Guid) -> Owned | None:
        """As ``find``, but what was read within a second is taken as it was.

        For the messages of TO2, which ask again and again; the commit that ends it
        looks at the rows once more, inside its transaction. A long voucher is not kept
        here: the cache of parsed ones has room for few of them.
        """
        now = self._monotonic()
        known = self._recent.get(guid)
        if known is not None and now - known[0] < LATELY_SECONDS:
            return known[1]
        found = self.find(guid)
        if found is not None and len(found.voucher.raw) > USUAL:
            return found
        if len(self._recent) >= LATELY_KEPT:
            self._recent.clear()
        self._recent[guid] = (now, found)
        return found

    def _parse(self, record: VoucherRecord, info: bytes | None) -> Owned:
        voucher = Voucher.from_cbor(record.cbor)
        owner = voucher.owner_key.fingerprint()
        signer = self._context.signer_for(voucher.owner_key)
        passport, passport_digest = None, None
        if record.passport is not None:
            stored = StoredPassport.decode(record.passport)
            passport = stored.open()
            passport_digest = hashlib.sha256(stored.document).digest()
        to2 = None
        if signer is not None and voucher.entries and not record.retired:
            new = self._replacement(record, voucher, signer, info)
            to2 = OwnedVoucher.of(restore(voucher), signer, new)
        return Owned(
            voucher,
            record.serial,
            voucher.device_key,
            signer,
            self._context.signer(record.known_key or owner),
            passport,
            passport_digest,
            to2,
        )

    def _replacement(
        self,
        record: VoucherRecord,
        voucher: Voucher,
        signer: SoftSigner,
        site: bytes | None,
    ) -> Replacement | None:
        """The device gets a new GUID, unless its credential is to be reused."""
        plan = planned(self._context, record.plan, record.key_fingerprint)
        if plan.mode is Mode.REUSE:
            return None
        other = None
        if plan.owner_fingerprint is not None:
            other = self._context.signer(plan.owner_fingerprint)
            if other is None:
                raise KeyStoreError(
                    f"the owner key {plan.owner_fingerprint} that this device is to"
                    " be given is not here, or is blocked"
                )
        rv_info = plan.rv_info or site or voucher.header.rv_info.raw
        return replacement(voucher, signer, other, rv_info)
