"""A CA's certificate that an operator trusts for endorsement keys.

A root may depart from DER as EK certificates do: Nuvoton's names are out of order, and
the root of Intel's on-die CAs gives ECDSA parameters. What is between has to be DER.
Source: RFC 5280, sections 4.1 and 6.1; a root's own signature is part of no path.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from attestation.ek_verdict import MAX_CERTIFICATE, EkNote, EkNoteCode
from attestation.errors import PolicyError
from attestation.odd_certificate import ReadCertificate, read_certificate
from attestation.odd_signature import signed_by
from ownership_vouchers.errors import MalformedError, VoucherError
from ownership_vouchers.keys import UNREADABLE, load_certificate

_MAX_NAME = 256  # characters
_MIN_RSA = 2048  # bits


def told(name: x509.Name) -> str:
    """A name for people and records, bounded: a certificate may hold a long one."""
    return name.rfc4514_string().replace("\0", "")[:_MAX_NAME]


def key_info(certificate: x509.Certificate) -> bytes:
    """A certificate's SubjectPublicKeyInfo, DER: CAs have keys that FDO has not."""
    return certificate.public_key().public_bytes(
        Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    )


@dataclass(frozen=True, slots=True)
class EkRoot:
    """One of them: as it came, in DER, and how the two differ."""

    encoded: bytes = field(repr=False)
    certificate: x509.Certificate
    notes: tuple[EkNote, ...] = ()

    @classmethod
    def of(cls, certificate: x509.Certificate) -> Self:
        """A certificate that is in DER."""
        return cls(certificate.public_bytes(Encoding.DER), certificate)

    @property
    def is_odd(self) -> bool:
        """Whether it departs from DER or from RFC 5280."""
        return bool(self.notes)


def load_root(encoded: bytes) -> EkRoot:
    """Load one certificate that an operator adds, DER or, for a root, nearly so.

    Raises:
        PolicyError: Unreadable, or not a certificate authority's.
    """
    if len(encoded) > MAX_CERTIFICATE:
        raise PolicyError(f"a certificate over {MAX_CERTIFICATE} bytes")
    try:
        root = EkRoot(encoded, load_certificate(encoded))
    except (ValueError, VoucherError):
        root = _odd_root(encoded)
    if not _is_authority(root.certificate.extensions):
        name = told(root.certificate.subject)
        raise PolicyError(f"not a certificate authority's certificate: {name}")
    return root


def _is_authority(extensions: Iterable[x509.Extension[x509.ExtensionType]]) -> bool:
    return any(
        isinstance(one.value, x509.BasicConstraints) and one.value.ca
        for one in extensions
    )


def _odd_root(encoded: bytes) -> EkRoot:
    """A root that only a lenient reader takes: it has to have signed itself."""
    try:
        read = read_certificate(encoded)
        fault = _fault(read)
    except (MalformedError, *UNREADABLE) as error:
        raise PolicyError("not one readable X.509 certificate") from error
    if fault:
        raise PolicyError(f"not in DER, and {fault}: {told(read.certificate.subject)}")
    return EkRoot(encoded, read.certificate, read.notes)


def _fault(read: ReadCertificate) -> str:
    """What forbids to take it though it is not DER; empty if nothing does."""
    if any(one.code is EkNoteCode.BYTES_AFTER for one in read.notes):
        return "bytes follow it"
    if not signed_by(read.certificate, read.signed, read.certificate):
        return "not signed by itself, and with SHA-2: only a root may be so"
    if not is_strong(read.certificate):
        return "its key is too short or of an unknown kind"
    return ""


def is_strong(certificate: x509.Certificate) -> bool:
    """Whether its key is of a kind and a size that still proves something."""
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return key.key_size >= _MIN_RSA
    return isinstance(key, ec.EllipticCurvePublicKey) and isinstance(
        key.curve, ec.SECP256R1 | ec.SECP384R1 | ec.SECP521R1
    )
