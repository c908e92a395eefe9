"""The way from a TPM's certificate to a root that is trusted.

RFC 5280, section 6.1, for what TPM vendors issue. The verifier that comes with the
library is made for the web's certificates: it refuses the critical policies of
STMicroelectronics and Intel, the dates of an AMD issuer, and names that Nuvoton's roots
have out of order (docs/adr/0045). Names are compared by what they say, not by the kinds
of their strings. Constraints on names or policies are not evaluated: they refuse.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509

from attestation.ek_root import is_strong
from attestation.odd_certificate import ReadCertificate
from attestation.odd_signature import signed_by

Path = tuple[x509.Certificate, ...]

EK_PURPOSE = x509.ObjectIdentifier("2.23.133.8.1")  # tcg-kp-EKCertificate
_ANY_PURPOSE = x509.ObjectIdentifier("2.5.29.37.0")
_MAX_ISSUERS = 6
_MAX_SIGNATURES = 32  # checked for one path
_UNDERSTOOD = (
    x509.AuthorityInformationAccess,
    x509.AuthorityKeyIdentifier,
    x509.BasicConstraints,
    x509.CertificatePolicies,  # nobody here asks for one
    x509.CRLDistributionPoints,
    x509.ExtendedKeyUsage,
    x509.KeyUsage,
    x509.SubjectAlternativeName,
    x509.SubjectKeyIdentifier,
)
_CONSTRAINTS = (x509.NameConstraints, x509.PolicyConstraints, x509.InhibitAnyPolicy)


@dataclass
class PathSearch:
    """Looks for one path; made for one certificate and then thrown away.

    Args:
        anchors: Where it may end.
        between: What may lead there, believed nothing by itself.
        at: When each certificate has to be valid.
        purpose: An issuer that lists purposes must list this one.
    """

    anchors: Sequence[x509.Certificate]
    between: Sequence[x509.Certificate]
    at: datetime
    purpose: x509.ObjectIdentifier
    _left: int = field(default=_MAX_SIGNATURES, init=False)

    def path_of(self, leaf: ReadCertificate) -> Path | None:
        """From the leaf, which comes first, to an anchor; None if there is no path.

        What the leaf is for is its caller's question.
        """
        certificate = leaf.certificate
        if not (self._is_valid(certificate) and _is_understood(certificate)):
            return None
        return next(self._paths((certificate,), leaf.signed), None)

    def _paths(self, below: Path, signed: bytes) -> Iterator[Path]:
        """Each path on from the last of ``below``, whose signed bytes are given."""
        child, issued = below[-1], len(below) - 1
        for issuer in (*self.anchors, *self.between):
            if issuer in below or issuer.subject != child.issuer:
                continue
            if not (
                self._may_issue(issuer, issued) and self._signed(below, issuer, signed)
            ):
                continue
            if issuer in self.anchors:
                yield (*below, issuer)
            elif issued + 1 < _MAX_ISSUERS:
                yield from self._paths((*below, issuer), issuer.tbs_certificate_bytes)

    def _signed(self, below: Path, issuer: x509.Certificate, signed: bytes) -> bool:
        self._left -= 1
        return self._left >= 0 and signed_by(below[-1], signed, issuer)

    def _may_issue(self, issuer: x509.Certificate, issued: int) -> bool:
        """Whether it may have issued one with so many issuers below itself."""
        if not (self._is_valid(issuer) and _is_understood(issuer)):
            return False
        if issuer.version is not x509.Version.v3 or not is_strong(issuer):
            return False
        is_authority = False
        for extension in issuer.extensions:
            match extension.value:
                case x509.BasicConstraints(ca=True, path_length=longest):
                    is_authority = longest is None or issued <= longest
                case x509.KeyUsage(key_cert_sign=False):
                    return False
                case x509.ExtendedKeyUsage() as purposes:
                    if self.purpose not in purposes and _ANY_PURPOSE not in purposes:
                        return False
        return is_authority

    def _is_valid(self, one: x509.Certificate) -> bool:
        return one.not_valid_before_utc <= self.at <= one.not_valid_after_utc


def _is_understood(certificate: x509.Certificate) -> bool:
    """Whether what is critical in it is understood, and nothing constrains others."""
    return all(
        isinstance(one.value, _UNDERSTOOD)
        or not (one.critical or isinstance(one.value, _CONSTRAINTS))
        for one in certificate.extensions
    )
