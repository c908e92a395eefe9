"""A voucher signed over to its next owner, by the key of ours that it names."""

from cryptography import x509

from onboarding.services import passport_pem, to0
from onboarding.services.context import Context
from onboarding.services.errors import Problem
from onboarding.services.key_store import KeyKind
from onboarding.services.passports import StoredPassport
from onboarding.services.voucher_records import record_of
from onboarding.store.voucher_rows import VoucherRecord
from ownership_vouchers.algorithms import VerifyKey
from ownership_vouchers.errors import MalformedError
from ownership_vouchers.extend import extend, next_owner_key
from ownership_vouchers.pem import dump_pem, load_buyer
from ownership_vouchers.voucher import Voucher


def sold(context: Context, record: VoucherRecord, next_owner_pem: str) -> VoucherRecord:
    """Return the voucher with one more entry, which names the buyer; nothing is stored.

    Raises:
        Problem: 409; its present owner is none of our keys, or one that is blocked, as
            may be the buyer. 422; no public key.
        UnsupportedKeyError: The buyer's key is not of the voucher's type.
        CheckFailed: The voucher is full.
    """
    voucher = Voucher.from_cbor(record.cbor)
    context.owner_keys.require_usable(record.key_fingerprint)
    signer = context.signer_for(voucher.owner_key)
    if signer is None:
        raise Problem(
            409,
            "not-our-voucher",
            "The voucher's present owner is not one of our keys.",
            remedy="Ask its owner to extend it; GET /api/v1/keys shows ours.",
        )
    key, chain = read_public(next_owner_pem)
    buyer = next_owner_key(voucher, key, chain)
    context.owner_keys.require_usable(buyer.fingerprint())
    longer = extend(voucher, signer, voucher.owner_key, buyer)
    return record_of(longer, record.serial, context.now(), record.passport)


def keep(context: Context, record: VoucherRecord, actor: str) -> None:
    """Store a voucher that ``sold`` returned.

    One signed over to this very owner is announced: its device can be onboarded
    again, and stays what it is until then.

    Raises:
        StoreError: As ``VoucherStore.add``.
    """
    owner = context.keyrings.get(KeyKind.OWNER)
    ours = owner is not None and owner.find(record.key_fingerprint) is not None
    context.stores.vouchers.add(record, actor, bought=ours)
    if ours:
        to0.plan(context.stores, record.guid, context.now())


def resold(
    context: Context, guid: bytes, next_owner_pem: str, actor: str
) -> VoucherRecord:
    """Sell a device on: the buyer's voucher is returned, the device retired here.

    Raises:
        NotFound: There is no voucher of that GUID.
        Problem: As ``sold``; 409, too, for a voucher that TO2 replaced, or a buyer
            that is ourselves.
        Conflict: The voucher was changed meanwhile.
    """
    record = context.stores.vouchers.get(guid)
    if record.superseded:
        raise Problem(
            409,
            "superseded-voucher",
            "TO2 gave this device another voucher.",
            remedy="GET /api/v1/vouchers/{guid}/lineage shows the live one.",
        )
    longer = sold(context, record, next_owner_pem)
    if context.signer(longer.key_fingerprint) is not None:
        raise Problem(
            409,
            "own-key",
            "The buyer's key is our own.",
            remedy="POST /api/v1/vouchers/{guid}/extend keeps the device.",
        )
    context.stores.lineage.pass_on(longer, actor, (to0.KIND, guid.hex()))
    return longer


def pem(record: VoucherRecord) -> str:
    """Return the voucher as PEM, its passport after it if there is one."""
    text = dump_pem(Voucher.from_cbor(record.cbor))
    if record.passport is None:
        return text
    return text + passport_pem.dump(StoredPassport.decode(record.passport).document)


def read_public(pem: str) -> tuple[VerifyKey, tuple[x509.Certificate, ...]]:
    """Read a public key, or a certificate chain, leaf first.

    Raises:
        Problem: 422; neither.
        UnsupportedKeyError: A key of a kind that FDO does not use.
    """
    try:
        return load_buyer(pem.encode())
    except MalformedError as error:
        raise Problem(
            422, "not-a-public-key", "Neither a public key nor a certificate."
        ) from error
