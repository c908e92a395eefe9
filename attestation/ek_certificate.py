"""An EK certificate: is it one, for this key, valid now, with a path to a root?

Source: TCG EK Credential Profile 2.5, section 3; RFC 5280, sections 4.2 and 6.1.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    Policy,
    PolicyBuilder,
    Store,
    VerificationError,
)

from attestation.ek_verdict import (
    MAX_CERTIFICATE,
    MAX_INTERMEDIATES,
    EkCode,
    EkReason,
)
from attestation.errors import AttestationError, PolicyError
from ownership_vouchers.algorithms import VerifyKey
from ownership_vouchers.certificates import tpm_attributes
from ownership_vouchers.certified_names import TpmAttributes
from ownership_vouchers.errors import MalformedError, VoucherError
from ownership_vouchers.keys import certificate_key, load_certificate, spki

EK_PURPOSE = x509.ObjectIdentifier("2.23.133.8.1")  # tcg-kp-EKCertificate
_MAX_DEPTH = 6
_MAX_NAME = 256  # characters


class CertificateFault(AttestationError):
    """The certificate does not make its key a vendor's endorsement key.

    ``fatal``: it is brought forward falsely, so nothing else may mend it.
    """

    def __init__(
        self, code: EkCode, sentence: str, remedy: str, *, fatal: bool = False
    ) -> None:
        super().__init__(f"{code.value}: {sentence}")
        self.reason = EkReason(code, sentence, remedy)
        self.fatal = fatal


def certified_path(
    key: VerifyKey,
    certificate: bytes | None,
    intermediates: Sequence[bytes],
    roots: Sequence[x509.Certificate],
    now: int,
) -> tuple[x509.Certificate, ...]:
    """Return the path from the EK certificate to a root, leaf first.

    Args:
        certificate: DER, or None when the device has none.
        intermediates: DER, from the device; they only help to build a path.
        roots: Self-signed ones are anchors, the others intermediates too.
        now: Seconds since 1970, UTC.

    Raises:
        CertificateFault: No such path, or the certificate is not what it should be.
    """
    if certificate is None:
        raise CertificateFault(
            EkCode.CERTIFICATE_MISSING,
            "the TPM brought no EK certificate",
            "import a passport for this device, or have the key accepted by hand",
        )
    leaf = _load(certificate)
    helpers = [_load(one) for one in intermediates[:MAX_INTERMEDIATES]]
    _require_key(leaf, key)
    _require_purpose(leaf)
    at = datetime.fromtimestamp(now, UTC)
    _require_dates(leaf, at)
    return _path(leaf, helpers, roots, at)


def _load(der: bytes) -> x509.Certificate:
    if len(der) > MAX_CERTIFICATE:
        raise _unreadable(f"over {MAX_CERTIFICATE} bytes")
    try:
        return load_certificate(der)
    except VoucherError as error:
        raise _unreadable("not well-formed") from error


def told(name: x509.Name) -> str:
    """A name for people and records, bounded: a certificate may hold a long one."""
    return name.rfc4514_string()[:_MAX_NAME]


def load_root(data: bytes) -> x509.Certificate:
    """Load one certificate (PEM or DER) that an operator adds to the EK roots.

    Raises:
        PolicyError: Unreadable, or not a certificate authority's.
    """
    try:
        der = data
        if data.lstrip().startswith(b"-----BEGIN"):
            der = x509.load_pem_x509_certificate(data).public_bytes(Encoding.DER)
        certificate = _load(der)
    except (ValueError, CertificateFault) as error:
        raise PolicyError("not one readable X.509 certificate") from error
    for extension in certificate.extensions:
        if isinstance(extension.value, x509.BasicConstraints) and extension.value.ca:
            return certificate
    raise PolicyError("not a certificate authority's certificate")


def _unreadable(why: str) -> CertificateFault:
    return CertificateFault(
        EkCode.CERTIFICATE_UNREADABLE,
        f"the EK certificate cannot be read: {why}",
        "read the certificate from the TPM again; ask its vendor if it stays so",
        fatal=True,
    )


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


def _path(
    leaf: x509.Certificate,
    helpers: Sequence[x509.Certificate],
    roots: Sequence[x509.Certificate],
    at: datetime,
) -> tuple[x509.Certificate, ...]:
    anchors = [root for root in roots if root.issuer == root.subject]
    others = [root for root in roots if root.issuer != root.subject]
    fault = CertificateFault(
        EkCode.CERTIFICATE_NO_PATH,
        f"no valid path from {told(leaf.issuer)} to a configured root",
        "check that issuer and add its root and intermediates to the EK roots,"
        " or import a passport for this device",
    )
    if not anchors:
        raise fault
    policy = PolicyBuilder().store(Store(anchors)).time(at).max_chain_depth(_MAX_DEPTH)
    policy = policy.extension_policies(
        ca_policy=_ca_policy(), ee_policy=ExtensionPolicy.permit_all()
    )
    try:
        verifier = policy.build_client_verifier()
        return tuple(verifier.verify(leaf, [*helpers, *others]).chain)
    except VerificationError as error:
        raise fault from error


def _ca_policy() -> ExtensionPolicy:
    """An issuer has basic constraints, and key usage that lets it issue."""
    return (
        ExtensionPolicy.permit_all()
        .require_present(x509.BasicConstraints, Criticality.AGNOSTIC, None)
        .may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, _may_issue)
    )


def _may_issue(
    _policy: Policy, _certificate: x509.Certificate, usage: x509.KeyUsage | None
) -> None:
    if usage is not None and not usage.key_cert_sign:
        raise ValueError("key usage does not let this certificate issue others")
