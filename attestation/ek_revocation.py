"""Whether a certificate of a path was revoked, as far as the CRLs at hand can say.

Source: RFC 5280, section 6.3; only CRLs that an operator gave are asked.
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from itertools import pairwise

from cryptography import x509

from attestation.ek_root import key_info, told
from attestation.ek_store import EkTrust, TrustedCrl
from attestation.ek_verdict import CertificateFault, EkCode, EkNote, EkNoteCode

_NO_CRL = "import its CRL: vouchgate ek crl; this server fetches none"


def check_revocation(
    path: Sequence[x509.Certificate],
    serials: Collection[int],
    trust: EkTrust,
    at: datetime,
) -> tuple[EkNote, ...]:
    """Return what the CRLs say of each certificate but the last; leaf first.

    Args:
        serials: Every number that the leaf's serial may be taken for.

    Raises:
        CertificateFault: One is revoked, whatever the age of the CRL that says so; or
            CRLs are required and there is none, or none in force.
    """
    return tuple(_notes(path, serials, trust, at))


def _notes(
    path: Sequence[x509.Certificate],
    serials: Collection[int],
    trust: EkTrust,
    at: datetime,
) -> Iterator[EkNote]:
    numbers = serials
    for child, issuer in pairwise(path):
        found = _crls_of(child, issuer, trust)
        _require_unrevoked(child, numbers, found)
        yield _freshest(child, found, trust, at)
        numbers = frozenset({issuer.serial_number})


def _crls_of(
    child: x509.Certificate, issuer: x509.Certificate, trust: EkTrust
) -> list[TrustedCrl]:
    key = key_info(issuer)
    return [
        one
        for one in trust.crls
        if one.issuer_key == key and one.crl.issuer == child.issuer
    ]


def _require_unrevoked(
    child: x509.Certificate, numbers: Collection[int], crls: Sequence[TrustedCrl]
) -> None:
    for one in crls:
        entry = _entry(one.crl, numbers)
        if entry is not None:
            day = f"{entry.revocation_date_utc:%Y-%m-%d}"
            raise CertificateFault(
                EkCode.CERTIFICATE_REVOKED,
                f"the certificate of {told(child.subject) or 'the EK'} was revoked by"
                f" {told(child.issuer)} on {day}{_why(entry)}",
                "ask the TPM's vendor what happened; replace the board",
                fatal=True,
            )


def _entry(
    crl: x509.CertificateRevocationList, numbers: Collection[int]
) -> x509.RevokedCertificate | None:
    if min(numbers) < 0:  # as odd as that, it has to be looked for one by one
        return next((one for one in crl if one.serial_number in numbers), None)
    found = map(crl.get_revoked_certificate_by_serial_number, numbers)
    return next((one for one in found if one is not None), None)


def _why(entry: x509.RevokedCertificate) -> str:
    for extension in entry.extensions:
        if isinstance(extension.value, x509.CRLReason):
            return f" ({extension.value.reason.value})"
    return ""


def _freshest(
    child: x509.Certificate, crls: Sequence[TrustedCrl], trust: EkTrust, at: datetime
) -> EkNote:
    issuer = told(child.issuer)
    if not crls:
        sentence = f"there is no CRL of {issuer}"
        if trust.crls_required:
            raise CertificateFault(EkCode.CRL_MISSING, sentence, _NO_CRL)
        return EkNote(EkNoteCode.CRL_NONE, f"{sentence}: revocation was not checked")
    newest = max(crls, key=lambda one: (one.this_update, one.number))
    if not newest.is_fresh(at):
        sentence = (
            f"the CRL of {issuer} is for {newest.this_update:%Y-%m-%d} to"
            f" {newest.next_update:%Y-%m-%d} only"
        )
        if trust.crls_required:
            raise CertificateFault(EkCode.CRL_EXPIRED, sentence, _NO_CRL)
        return EkNote(EkNoteCode.CRL_STALE, f"{sentence}: it names no certificate here")
    return EkNote(
        EkNoteCode.CRL_CHECKED,
        f"not revoked by {issuer}, says its CRL of {newest.this_update:%Y-%m-%d}",
    )
