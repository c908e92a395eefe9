"""An EK certificate: is it one, for this key, valid now, with a path to a root?

Source: TCG EK Credential Profile 2.5, section 3; RFC 5280, sections 4.2 and 6.1.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from attestation.ca_path import EK_PURPOSE
from attestation.ek_leaf import unreadable
from attestation.ek_path import path_of
from attestation.ek_revocation import check_revocation
from attestation.ek_root import told
from attestation.ek_store import EkTrust
from attestation.ek_verdict import (
    MAX_CERTIFICATE,
    MAX_INTERMEDIATES,
    CertificateFault,
    EkCode,
    EkNote,
    EkNoteCode,
)
from attestation.odd_certificate import ReadCertificate
from ownership_vouchers.algorithms import VerifyKey
from ownership_vouchers.certificates import tpm_attributes
from ownership_vouchers.certified_names import TpmAttributes
from ownership_vouchers.errors import MalformedError, VoucherError
from ownership_vouchers.keys import certificate_key, load_certificate, spki


@dataclass(frozen=True, slots=True)
class CertifiedPath:
    """From the EK certificate to a root, leaf first, and what is to be kept of it."""

    certificates: tuple[x509.Certificate, ...]
    notes: tuple[EkNote, ...]


def missing() -> CertificateFault:
    """What a TPM without a certificate is told."""
    return CertificateFault(
        EkCode.CERTIFICATE_MISSING,
        "the TPM brought no EK certificate",
        "import a passport for this device, or have the key accepted by hand",
    )


def certified_path(
    key: VerifyKey,
    leaf: ReadCertificate,
    intermediates: Sequence[bytes],
    trust: EkTrust,
    now: int,
) -> CertifiedPath:
    """Return the path from an EK certificate to a root.

    Args:
        leaf: As `read_leaf` gives it.
        intermediates: DER, from the device; they only help to build a path.
        now: Seconds since 1970, UTC.

    Raises:
        CertificateFault: No such path, or the certificate is not what it should be.
    """
    helpers = [_load(one) for one in intermediates[:MAX_INTERMEDIATES]]
    _require_key(leaf.certificate, key)
    _require_purpose(leaf.certificate)
    at = datetime.fromtimestamp(now, UTC)
    _require_dates(leaf.certificate, at)
    path = path_of(leaf, helpers, trust, at)
    notes = (
        *(_brought(one) for one in path[1:] if one not in trust.certificates),
        *(note for one in path[1:] for note in _odd(one, trust)),
        *check_revocation(path, leaf.serials, trust, at),
    )
    return CertifiedPath(path, notes)


def _odd(one: x509.Certificate, trust: EkTrust) -> Iterator[EkNote]:
    """How an issuer's certificate departs from DER."""
    for note in trust.oddities(one):
        yield EkNote(
            note.code, f"in the certificate of {told(one.subject)}: {note.sentence}"
        )


def _brought(one: x509.Certificate) -> EkNote:
    return EkNote(
        EkNoteCode.FROM_DEVICE,
        f"the certificate of {told(one.subject)} came with the device",
    )


def _load(der: bytes) -> x509.Certificate:
    if len(der) > MAX_CERTIFICATE:
        raise unreadable(f"over {MAX_CERTIFICATE} bytes")
    try:
        return load_certificate(der)
    except VoucherError as error:
        raise unreadable("an issuer's is not well-formed") from error


def _require_key(leaf: x509.Certificate, key: VerifyKey) -> None:
    try:
        same = spki(certificate_key(leaf)) == spki(key)
    except VoucherError:
        same = False
    if not same:
        raise CertificateFault(
            EkCode.CERTIFICATE_OF_ANOTHER_KEY,
            "the EK certificate is of another key than the TPM's EK",
            "bring the certificate of this very TPM",
            fatal=True,
        )


def named_tpm(leaf: x509.Certificate) -> TpmAttributes | None:
    """What the vendor says of the TPM; None if nothing, or it cannot be read."""
    try:
        return tpm_attributes(leaf)
    except MalformedError:
        return None


def _require_purpose(leaf: x509.Certificate) -> None:
    fit = _fit(leaf.extensions, isinstance(leaf.public_key(), rsa.RSAPublicKey))
    if not fit or not _says_so(leaf):
        raise CertificateFault(
            EkCode.CERTIFICATE_WRONG_PURPOSE,
            "the certificate is not for an endorsement key",
            "bring the certificate that the TPM's vendor issued for its EK",
            fatal=True,
        )


def _fit(extensions: x509.Extensions, is_rsa: bool) -> bool:
    """No CA; for encryption; for an EK: each judged where it is present."""
    for extension in extensions:
        match extension.value:
            case x509.BasicConstraints(ca=True):
                return False
            case x509.KeyUsage() as usage:
                wanted = usage.key_encipherment if is_rsa else usage.key_agreement
                if usage.key_cert_sign or not wanted:
                    return False
            case x509.ExtendedKeyUsage() as purposes:
                if EK_PURPOSE not in purposes:
                    return False
    return True


def _says_so(leaf: x509.Certificate) -> bool:
    """By purpose or, as older ones do, by naming a TPM: vendors certify other keys."""
    for extension in leaf.extensions:
        if isinstance(extension.value, x509.ExtendedKeyUsage):
            return True
    return named_tpm(leaf) is not None


def _require_dates(leaf: x509.Certificate, at: datetime) -> None:
    if leaf.not_valid_before_utc <= at <= leaf.not_valid_after_utc:
        return
    first, last = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    raise CertificateFault(
        EkCode.CERTIFICATE_DATES,
        f"the EK certificate is valid from {first:%Y-%m-%d} to {last:%Y-%m-%d} only",
        "check the owner's clock; else a passport must vouch for this key",
    )
