"""Judging an endorsement key: a real TPM's, or the one the factory named, or neither.

Keylime's own programs do not judge EK certificates, so this does.
"""

import hmac
from collections.abc import Collection
from dataclasses import dataclass, replace

from attestation.ek_certificate import CertifiedPath, certified_path, missing, named_tpm
from attestation.ek_leaf import read_leaf
from attestation.ek_root import told
from attestation.ek_store import EkTrust
from attestation.ek_verdict import (
    CertificateFault,
    EkClass,
    EkCode,
    EkReason,
    EkVerdict,
)
from attestation.odd_certificate import ReadCertificate
from attestation.passport import Passport, key_digest
from ownership_vouchers.algorithms import VerifyKey

REFUSED_BY_HAND = EkReason(
    EkCode.REFUSED_BY_HAND,
    "this endorsement key is refused by hand",
    "see who refused it and why: GET /api/v1/ek-refusals",
)


@dataclass(frozen=True, slots=True)
class EkEvidence:
    """An endorsement key and what came with it (DER certificates)."""

    key: VerifyKey
    certificate: bytes | None
    intermediates: tuple[bytes, ...] = ()


def judge(
    ek: EkEvidence,
    trust: EkTrust,
    passport: Passport | None,
    now: int,
    accepted: Collection[bytes] = (),
    refused: Collection[bytes] = (),
) -> EkVerdict:
    """Put an endorsement key in its class. Total: whatever is wrong is a reason.

    Args:
        trust: The store that is asked; the verdict names it.
        passport: Its EK digest must be this key's, whatever the certificate says.
        now: Seconds since 1970, UTC.
        accepted: SHA-256 digests of keys (SubjectPublicKeyInfo) that an operator has
            accepted by hand.
        refused: The same of keys that are refused by hand: they go before all else.
    """
    digest = key_digest(ek.key)
    if digest in refused:
        return EkVerdict(EkClass.REFUSED, (REFUSED_BY_HAND,))
    if passport and not hmac.compare_digest(passport.ek_digest, digest):
        return EkVerdict(EkClass.REFUSED, (_not_the_passports(passport),))
    leaf: ReadCertificate | None = None
    try:
        if ek.certificate is None:
            raise missing()
        leaf = read_leaf(ek.certificate)
        path = certified_path(ek.key, leaf, ek.intermediates, trust, now)
    except CertificateFault as fault:
        klass = _without_path(fault, passport, digest in accepted)
        notes = () if leaf is None else leaf.notes
        return EkVerdict(klass, (fault.reason,), notes=notes, store=trust.digest)
    return replace(_vendors(path), notes=(*leaf.notes, *path.notes), store=trust.digest)


def _vendors(path: CertifiedPath) -> EkVerdict:
    subjects = tuple(told(one.subject) for one in path.certificates)
    tpm = named_tpm(path.certificates[0])
    return EkVerdict(EkClass.VENDOR_TRUSTED, (), subjects, tpm)


def _without_path(
    fault: CertificateFault, passport: Passport | None, accepted: bool
) -> EkClass:
    """The class of a key whose certificate leads to no root, or is missing."""
    if fault.fatal:
        return EkClass.REFUSED
    if passport is not None:
        return EkClass.PASSPORT_TRUSTED
    if accepted:
        return EkClass.ACCEPTED_ONCE
    if fault.reason.code is EkCode.CERTIFICATE_MISSING:
        return EkClass.NO_CERTIFICATE
    return EkClass.REFUSED


def _not_the_passports(passport: Passport) -> EkReason:
    return EkReason(
        EkCode.PASSPORT_MISMATCH,
        f"the passport of serial {passport.serial!r} names another TPM's EK",
        "this is not the TPM that left the factory: inspect the device; if its board"
        " was replaced, have the manufacturer issue a new passport",
    )
