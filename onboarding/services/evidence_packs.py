"""One file that proves what happened to a device, put together from the stores."""

from collections.abc import Iterable

from attestation.appraisal import Appraisal
from attestation.device_identity import BoundIdentity
from attestation.evidence_pack import (
    MAX_ITEMS,
    BoundKeys,
    EvidencePack,
    Withdrawn,
    sign_pack,
)
from attestation.policy import canonical
from onboarding.services import rows
from onboarding.services.context import Context
from onboarding.services.errors import Problem
from onboarding.services.key_store import KeyKind
from onboarding.services.passports import StoredPassport
from onboarding.store.errors import NotFound
from onboarding.store.releases import ReleaseState
from onboarding.store.voucher_rows import VoucherRecord
from ownership_vouchers.algorithms import SoftSigner
from ownership_vouchers.types import Guid


def make(context: Context, guid: bytes) -> bytes:
    """Return the signed pack of the device that ever had ``guid``.

    It is signed by the key that its live voucher names, so that the voucher tells who
    must have signed.

    Raises:
        NotFound: No device ever had that GUID.
        Problem: 503; the owner key of this device is not here.
    """
    device = context.stores.devices.get(guid)
    vouchers = _vouchers(context, device.guid)
    return sign_pack(_pack(context, device.guid, vouchers), _signer(context, vouchers))


def _signer(context: Context, vouchers: tuple[VoucherRecord, ...]) -> SoftSigner:
    ring = context.keyrings[KeyKind.OWNER]
    if not vouchers:
        return ring.first()
    found = ring.find(vouchers[0].key_fingerprint)
    if found is None:
        raise Problem(
            409,
            "owner-key-missing",
            "The owner key of this device is not here.",
            remedy="Restore its key file.",
        )
    return found


def _pack(
    context: Context, guid: bytes, vouchers: tuple[VoucherRecord, ...]
) -> EvidencePack:
    known = {guid, *(one.guid for one in vouchers)}
    appraisals = _appraisals(context, known)
    return EvidencePack(
        Guid(guid),
        context.now(),
        tuple(one.cbor for one in vouchers),
        _passport(vouchers),
        _binding(context, guid),
        _policies(context, appraisals),
        tuple(canonical(one.to_json()).decode() for one in appraisals),
        _quotes(context, appraisals),
        _decisions(context, guid),
        _reports(context, known),
        _withdrawals(context, known),
        context.stores.events.story(guid, MAX_ITEMS),
        _checkpoint(context),
    )


def _vouchers(context: Context, guid: bytes) -> tuple[VoucherRecord, ...]:
    lineage = context.stores.lineage
    try:
        return tuple(lineage.get(one.guid) for one in lineage.of(guid))
    except NotFound:
        return ()


def _passport(vouchers: tuple[VoucherRecord, ...]) -> bytes:
    for one in vouchers:
        if one.passport is not None:
            return StoredPassport.decode(one.passport).document
    return b""


def _binding(context: Context, guid: bytes) -> BoundKeys | None:
    try:
        found = context.stores.bindings.get(guid)
    except NotFound:
        return None
    return BoundKeys(
        found.ek_public,
        found.ek_certificate or b"",
        found.ek_class,
        found.klass,
        found.ak_public,
        found.passport_digest or b"",
        found.bound_at,
        tuple(word for note in found.ek_notes for word in note),
        found.ek_trust_digest or b"",
        _identity(found.identity),
    )


def _identity(kept: bytes | None) -> bytes:
    """With what the IAK signed: without that nobody else could check anything."""
    if kept is None or BoundIdentity.decode(kept).said is None:
        return b""
    return kept


def _appraisals(context: Context, known: Iterable[bytes]) -> tuple[Appraisal, ...]:
    found = [
        rows.appraisal(record)
        for guid in known
        for record in context.stores.appraisals.page(guid, limit=MAX_ITEMS).items
    ]
    return tuple(sorted(found, key=lambda one: -one.at)[:MAX_ITEMS])


def _policies(context: Context, appraisals: Iterable[Appraisal]) -> tuple[str, ...]:
    named = sorted({(one.policy_name, one.policy_version) for one in appraisals})
    found = (context.stores.policies.get(*one) for one in named)
    return tuple(one.body.decode() for one in found)


def _quotes(context: Context, appraisals: Iterable[Appraisal]) -> tuple[bytes, ...]:
    kept: list[bytes] = []
    for one in appraisals:
        try:
            kept.append(context.stores.quotes.get(bytes.fromhex(one.evidence_digest)))
        except NotFound:
            continue  # pruned, or never a genuine one
    return tuple(kept)


def _decisions(context: Context, guid: bytes) -> tuple[str, ...]:
    found = context.stores.decisions.page(None, MAX_ITEMS, guid).items
    return tuple(one.facts.decode() for one in found)


def _reports(context: Context, known: Iterable[bytes]) -> tuple[bytes, ...]:
    found = [
        one for guid in known for one in context.stores.reports.of_device(guid, 200)
    ]
    newest = sorted(found, key=lambda one: -one.at)[:MAX_ITEMS]
    return tuple(one.body for one in newest)


def _withdrawals(context: Context, known: Iterable[bytes]) -> tuple[Withdrawn, ...]:
    found = [
        Withdrawn(
            one.decision_id,
            one.manifest_digest,
            one.withdrawn_at or 0,
            "" if one.removal is None else one.removal.value,
        )
        for guid in known
        for one in context.stores.releases.of_device(guid, MAX_ITEMS)
        if one.state is ReleaseState.WITHDRAWN
    ]
    return tuple(sorted(found, key=lambda one: -one.withdrawn_at)[:MAX_ITEMS])


def _checkpoint(context: Context) -> bytes:
    try:
        return context.stores.checkpoints.latest().document
    except NotFound:
        return b""
