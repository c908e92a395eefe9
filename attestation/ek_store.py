"""What an operator trusts for endorsement keys: CA certificates, and CRLs about them.

All of it comes from files that an operator gave. Nothing that a certificate points to
is ever fetched: whoever made the certificate would choose what we read.
Source: RFC 5280, sections 5 and 6.3; TCG EK Credential Profile 2.5, section 3.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding

from attestation.ek_root import EkRoot, key_info, told
from attestation.ek_verdict import EkNote
from attestation.errors import PolicyError
from ownership_vouchers.keys import UNREADABLE

MAX_CRL = 2 * 1024 * 1024  # bytes
_DOMAIN = b"vouchgate ek trust 1\0"
_CRL_PARTS = (
    x509.AuthorityKeyIdentifier,
    x509.CRLNumber,
    x509.IssuingDistributionPoint,
)


@dataclass(frozen=True, slots=True)
class TrustedCrl:
    """A revocation list, and the public key (SubjectPublicKeyInfo) that signed it."""

    crl: x509.CertificateRevocationList
    issuer_key: bytes

    @property
    def number(self) -> int:
        """Its number; 0 for one without."""
        for extension in self.crl.extensions:
            if isinstance(extension.value, x509.CRLNumber):
                return extension.value.crl_number
        return 0

    @property
    def this_update(self) -> datetime:
        return self.crl.last_update_utc

    @property
    def next_update(self) -> datetime:
        found = self.crl.next_update_utc
        return datetime.min.replace(tzinfo=UTC) if found is None else found

    def is_fresh(self, at: datetime) -> bool:
        return self.this_update <= at <= self.next_update


def load_crl(der: bytes, certificates: Sequence[x509.Certificate]) -> TrustedCrl:
    """Read a CRL (DER) that one of ``certificates`` signed, whole and about all.

    Raises:
        PolicyError: Unreadable, of no CA among them, without an end, only a part, or
            with a critical extension that is not known.
    """
    if len(der) > MAX_CRL:
        raise PolicyError(f"a CRL over {MAX_CRL} bytes")
    try:
        crl = x509.load_der_x509_crl(der)
        extensions = list(crl.extensions)
        ends = crl.next_update_utc
        issuer = _signer(crl, certificates)
    except (*UNREADABLE, UnsupportedAlgorithm) as error:
        raise PolicyError("not one readable CRL") from error
    for extension in extensions:
        _require_whole(extension)
    if ends is None:
        raise PolicyError(f"the CRL of {told(crl.issuer)} does not say until when")
    if issuer is None:
        raise PolicyError(
            f"no CA here signed the CRL of {told(crl.issuer)}: trust that CA first"
        )
    return TrustedCrl(crl, key_info(issuer))


def _require_whole(extension: x509.Extension[x509.ExtensionType]) -> None:
    """A list of changes, or of some certificates, cannot say that one is not on it."""
    if isinstance(extension.value, x509.DeltaCRLIndicator):
        raise PolicyError("a delta CRL, which says only what changed")
    found = extension.value
    if isinstance(found, x509.IssuingDistributionPoint) and (
        found.indirect_crl
        or found.only_some_reasons
        or found.only_contains_attribute_certs
        or found.only_contains_ca_certs
        or found.only_contains_user_certs
    ):
        raise PolicyError("a CRL about a part of what its CA issued")
    if extension.critical and not isinstance(found, _CRL_PARTS):
        raise PolicyError(
            f"a CRL with a critical extension {extension.oid.dotted_string}"
        )


def _signer(
    crl: x509.CertificateRevocationList, certificates: Sequence[x509.Certificate]
) -> x509.Certificate | None:
    for one in certificates:
        if one.subject == crl.issuer and _may_sign(one) and _signed(crl, one):
            return one
    return None


def _may_sign(certificate: x509.Certificate) -> bool:
    for extension in certificate.extensions:
        if isinstance(extension.value, x509.KeyUsage):
            return bool(extension.value.crl_sign)
    return True


def _signed(crl: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    try:
        return crl.is_signature_valid(issuer.public_key())  # type: ignore[arg-type]
    except (InvalidSignature, TypeError):
        return False


def content_digest(certificates: Iterable[bytes], crls: Iterable[bytes]) -> bytes:
    """The SHA-256 that names a set of certificates and CRLs, in whatever order.

    Args:
        certificates, crls: The SHA-256 of each, as it came.
    """
    found = hashlib.sha256(_DOMAIN)
    for mark, digests in ((b"c", certificates), (b"r", crls)):
        for one in sorted(digests):
            found.update(mark + one)
    return found.digest()


@dataclass(frozen=True)
class EkTrust:
    """A trust store as it stood at one moment.

    ``roots``: self-signed ones are anchors, the others only help to build a path.
    ``crls_required``: every CA of a path must have a CRL that is in force. ``makers``
    are CAs of device makers, who certify no EK but an IAK.
    """

    roots: tuple[EkRoot, ...] = ()
    crls: tuple[TrustedCrl, ...] = ()
    crls_required: bool = False
    makers: tuple[x509.Certificate, ...] = ()

    @classmethod
    def of(cls, certificates: Iterable[x509.Certificate]) -> Self:
        """A store of certificates in DER, and of nothing else."""
        return cls(tuple(map(EkRoot.of, certificates)))

    @cached_property
    def certificates(self) -> tuple[x509.Certificate, ...]:
        """Its certificates, in DER."""
        return tuple(one.certificate for one in self.roots)

    @cached_property
    def digest(self) -> bytes:
        """What names this store's content."""
        ders = (one.encoded for one in self.roots)
        lists = (one.crl.public_bytes(Encoding.DER) for one in self.crls)
        return content_digest(map(_sha256, ders), map(_sha256, lists))

    def oddities(self, certificate: x509.Certificate) -> tuple[EkNote, ...]:
        """How a certificate of the store departs from DER; nothing if it does not."""
        found = (one for one in self.roots if one.is_odd)
        return next((one.notes for one in found if one.certificate == certificate), ())


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()
