"""The way from an EK certificate to a root that is trusted.

A certificate in due form goes through the library's own verifier, whole. For one that
is not, only the last step is made here: its issuer's signature over the bytes that
came, and the issuer's right to give it; the issuer's own path is the verifier's again.
Source: RFC 5280, sections 4.2 and 6.1.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.verification import (
    ClientVerifier,
    Criticality,
    ExtensionPolicy,
    Policy,
    PolicyBuilder,
    Store,
    VerificationError,
)

from attestation.ek_leaf import EkLeaf
from attestation.ek_store import EkTrust, told
from attestation.ek_verdict import CertificateFault, EkCode

Path = tuple[x509.Certificate, ...]

_MAX_DEPTH = 6
_MAX_URL = 256  # characters
_HASHES = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
_KNOWN = (
    x509.AuthorityInformationAccess,
    x509.AuthorityKeyIdentifier,
    x509.BasicConstraints,
    x509.CertificatePolicies,
    x509.CRLDistributionPoints,
    x509.ExtendedKeyUsage,
    x509.KeyUsage,
    x509.SubjectAlternativeName,
    x509.SubjectKeyIdentifier,
)


def path_of(
    leaf: EkLeaf, helpers: Sequence[x509.Certificate], trust: EkTrust, at: datetime
) -> Path:
    """Return the certificates from ``leaf`` to an anchor of ``trust``, leaf first.

    Args:
        helpers: Others' certificates, which are believed nothing by themselves.

    Raises:
        CertificateFault: CERTIFICATE_NO_PATH.
    """
    anchors = [one for one in trust.certificates if one.issuer == one.subject]
    others = [one for one in trust.certificates if one.issuer != one.subject]
    if not anchors:
        raise _no_path(leaf)
    between = [*helpers, *others]
    if not leaf.exact:
        verifier = _verifier(anchors, at)
        return _odd_path(leaf, [*between, *anchors], between, verifier)
    try:
        return verified(leaf.certificate, anchors, between, at)
    except VerificationError as error:
        raise _no_path(leaf) from error


def verified(
    leaf: x509.Certificate,
    anchors: list[x509.Certificate],
    between: list[x509.Certificate],
    at: datetime,
) -> Path:
    """The path of a certificate in due form. Raises VerificationError if none is."""
    if not anchors:
        raise VerificationError("there is no anchor")
    return tuple(_verifier(anchors, at).verify(leaf, between).chain)


def _odd_path(
    leaf: EkLeaf,
    issuers: Iterable[x509.Certificate],
    between: list[x509.Certificate],
    verifier: ClientVerifier,
) -> Path:
    """The same for a leaf that a strict verifier does not take."""
    _require_known(leaf)
    for issuer in issuers:
        if not (_issued(leaf, issuer) and _may_issue_leaf(issuer)):
            continue
        try:
            above = tuple(verifier.verify(issuer, between).chain)
        except VerificationError:
            continue
        if _lengths_kept(above) and not any(map(_has_name_constraints, above)):
            return (leaf.certificate, *above)
    raise _no_path(leaf)


def _require_known(leaf: EkLeaf) -> None:
    for one in leaf.certificate.extensions:
        if one.critical and not isinstance(one.value, _KNOWN):
            raise _no_path(leaf)


def _issued(leaf: EkLeaf, issuer: x509.Certificate) -> bool:
    """Whether that issuer's key signed what came."""
    certificate, key = leaf.certificate, issuer.public_key()
    if certificate.issuer != issuer.subject:
        return False
    try:
        algorithm = certificate.signature_hash_algorithm
        if not isinstance(algorithm, _HASHES):
            return False
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(certificate.signature, leaf.signed, ec.ECDSA(algorithm))
            return True
        if isinstance(key, rsa.RSAPublicKey):
            fill = certificate.signature_algorithm_parameters
            if isinstance(fill, padding.PKCS1v15 | padding.PSS):
                key.verify(certificate.signature, leaf.signed, fill, algorithm)
                return True
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return False
    return False


def _may_issue_leaf(issuer: x509.Certificate) -> bool:
    """As ``_ca_policy`` says, for the issuer that the verifier takes as a leaf."""
    is_ca = False
    for one in issuer.extensions:
        if isinstance(one.value, x509.KeyUsage) and not one.value.key_cert_sign:
            return False
        is_ca = is_ca or (isinstance(one.value, x509.BasicConstraints) and one.value.ca)
    return is_ca


def _lengths_kept(above: Path) -> bool:
    """Path lengths: below the n-th there are n others that issue."""
    for below, one in enumerate(above):
        for extension in one.extensions:
            value = extension.value
            if isinstance(value, x509.BasicConstraints):
                longest = value.path_length
                if longest is not None and below > longest:
                    return False
    return True


def _has_name_constraints(one: x509.Certificate) -> bool:
    return any(isinstance(each.value, x509.NameConstraints) for each in one.extensions)


def _verifier(anchors: list[x509.Certificate], at: datetime) -> ClientVerifier:
    policy = PolicyBuilder().store(Store(anchors)).time(at).max_chain_depth(_MAX_DEPTH)
    policy = policy.extension_policies(
        ca_policy=_ca_policy(), ee_policy=ExtensionPolicy.permit_all()
    )
    return policy.build_client_verifier()


def _no_path(leaf: EkLeaf) -> CertificateFault:
    where = next(_issuer_urls(leaf.certificate), "")
    hint = f"; it is said to be at {where}, from where nothing is fetched" * bool(where)
    return CertificateFault(
        EkCode.CERTIFICATE_NO_PATH,
        f"no valid path from {told(leaf.certificate.issuer)} to a configured root",
        "check that issuer and add its root and intermediates to the EK roots"
        f"{hint}, or import a passport for this device",
    )


def _issuer_urls(certificate: x509.Certificate) -> Iterator[str]:
    """Where a certificate says that its issuer's is (AIA)."""
    for one in certificate.extensions:
        if not isinstance(one.value, x509.AuthorityInformationAccess):
            continue
        for each in one.value:
            location = each.access_location
            if isinstance(location, x509.UniformResourceIdentifier):
                text = location.value[:_MAX_URL]
                if text.isprintable():
                    yield text


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
