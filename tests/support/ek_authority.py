"""A TPM vendor in memory: root, issuer, EK certificates. All keys are TEST KEYS."""

import datetime
from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID, ObjectIdentifier

from attestation.ek_store import EkTrust
from ownership_vouchers.algorithms import VerifyKey

NOW = int(datetime.datetime(2026, 6, 1, tzinfo=datetime.UTC).timestamp())
YEAR = 365 * 24 * 3600
EK_PURPOSE = ObjectIdentifier("2.23.133.8.1")
Extension = tuple[x509.ExtensionType, bool]  # value, critical

AGREEMENT = x509.KeyUsage(False, False, False, False, True, False, False, False, False)
ENCIPHERMENT = x509.KeyUsage(
    False, False, True, False, False, False, False, False, False
)
ISSUING = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
SIGNING = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
NO_CA = x509.BasicConstraints(ca=False, path_length=None)
CA = x509.BasicConstraints(ca=True, path_length=None)
TPM_NAME = x509.SubjectAlternativeName(
    [
        x509.DirectoryName(
            x509.Name(
                [
                    x509.NameAttribute(ObjectIdentifier("2.23.133.2.1"), "id:54455354"),
                    x509.NameAttribute(ObjectIdentifier("2.23.133.2.2"), "TESTTPM"),
                    x509.NameAttribute(ObjectIdentifier("2.23.133.2.3"), "id:0001"),
                ]
            )
        )
    ]
)
EK_EXTENSIONS: tuple[Extension, ...] = (
    (NO_CA, True),
    (AGREEMENT, True),
    (x509.ExtendedKeyUsage([EK_PURPOSE]), False),
    (TPM_NAME, True),
)
RSA_EK_EXTENSIONS: tuple[Extension, ...] = (
    (NO_CA, True),
    (ENCIPHERMENT, True),
    (x509.ExtendedKeyUsage([EK_PURPOSE]), False),
    (TPM_NAME, True),
)
CA_EXTENSIONS: tuple[Extension, ...] = ((CA, True), (ISSUING, True))


def name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


class Issuer:
    """A certificate authority; its own root unless ``parent`` is given."""

    def __init__(
        self,
        subject: str,
        parent: "Issuer | None" = None,
        extensions: Sequence[Extension] = CA_EXTENSIONS,
        days: tuple[int, int] = (-1000, 10000),
    ) -> None:
        self.subject = subject
        self.issuer_name = name(subject)
        self.key = ec.generate_private_key(ec.SECP256R1())
        signer = parent or self
        self.certificate = signer.issue(
            subject, self.key.public_key(), extensions, days
        )

    def issue(
        self,
        subject: str,
        key: VerifyKey,
        extensions: Sequence[Extension],
        days: tuple[int, int] = (-30, 3650),
    ) -> x509.Certificate:
        """Certify ``key``; validity in days before and after NOW."""
        now = datetime.datetime.fromtimestamp(NOW, datetime.UTC)
        first, last = (now + datetime.timedelta(days=day) for day in days)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name(subject))
            .issuer_name(self.issuer_name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(first)
            .not_valid_after(last)
        )
        for value, critical in extensions:
            builder = builder.add_extension(value, critical)
        return builder.sign(self.key, hashes.SHA256())

    def crl(
        self,
        *revoked: int,
        days: tuple[int, int] = (-1, 30),
        number: int = 1,
        extensions: Sequence[Extension] = (),
    ) -> bytes:
        """Return a CRL, DER, that names these serial numbers."""
        now = datetime.datetime.fromtimestamp(NOW, datetime.UTC)
        first, last = (now + datetime.timedelta(days=day) for day in days)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.issuer_name)
            .last_update(first)
            .next_update(last)
            .add_extension(x509.CRLNumber(number), critical=False)
        )
        for value, critical in extensions:
            builder = builder.add_extension(value, critical)
        for serial in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(serial)
            reason = x509.CRLReason(x509.ReasonFlags.key_compromise)
            entry = entry.revocation_date(first).add_extension(reason, critical=False)
            builder = builder.add_revoked_certificate(entry.build())
        return builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.DER)

    def issue_ek(
        self,
        key: VerifyKey,
        extensions: Sequence[Extension] = EK_EXTENSIONS,
        days: tuple[int, int] = (-30, 3650),
    ) -> bytes:
        """Return an EK certificate, DER."""
        return der(self.issue("test EK", key, extensions, days))


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


class TpmVendor:
    """A root and one issuing authority under it."""

    def __init__(self) -> None:
        self.root = Issuer("test TPM vendor root")
        self.issuer = Issuer("test TPM vendor issuer", self.root)

    @property
    def trust(self) -> EkTrust:
        """The same, as judgements are made by it."""
        return EkTrust.of(self.store)

    @property
    def store(self) -> list[x509.Certificate]:
        """What an operator configures."""
        return [self.root.certificate, self.issuer.certificate]
