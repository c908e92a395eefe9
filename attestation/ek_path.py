"""The way from an EK certificate to a root of the trust store, or why there is none."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from cryptography import x509

from attestation.ca_path import EK_PURPOSE, Path, PathSearch
from attestation.ek_root import EkRoot, told
from attestation.ek_store import EkTrust
from attestation.ek_verdict import CertificateFault, EkCode
from attestation.odd_certificate import ReadCertificate, read_certificate

_MAX_URL = 256  # characters


def path_of(
    leaf: ReadCertificate,
    helpers: Sequence[x509.Certificate],
    trust: EkTrust,
    at: datetime,
) -> Path:
    """Return the certificates from ``leaf`` to an anchor of ``trust``, leaf first.

    Args:
        helpers: Others' certificates, which are believed nothing by themselves.

    Raises:
        CertificateFault: CERTIFICATE_NO_PATH.
    """
    found = _search(helpers, trust, at).path_of(leaf)
    if found is None:
        raise _no_path(leaf)
    return found


def leads_to_root(one: EkRoot, trust: EkTrust, at: datetime) -> bool:
    """Whether a certificate of the store is a root, or there is a path to one."""
    if one.certificate.issuer == one.certificate.subject:
        return True
    read = read_certificate(one.encoded)
    return _search((), trust, at).path_of(read) is not None


def _search(
    helpers: Sequence[x509.Certificate], trust: EkTrust, at: datetime
) -> PathSearch:
    anchors = [one for one in trust.certificates if one.issuer == one.subject]
    others = [one for one in trust.certificates if one.issuer != one.subject]
    return PathSearch(anchors, [*helpers, *others], at, EK_PURPOSE)


def _no_path(leaf: ReadCertificate) -> CertificateFault:
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
