"""A private authority for TLS servers. Its keys are TEST KEYS, new each time."""

import datetime
import ipaddress

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

BORN = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
_FOR_CLIENTS = ExtendedKeyUsageOID.CLIENT_AUTH
DIES = datetime.datetime(2056, 1, 1, tzinfo=datetime.UTC)


class Authority:
    """Issues certificates for servers on addresses."""

    def __init__(self, name: str) -> None:
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        public = self._key.public_key()
        self.certificate = self._sign(self._name, public, (_CA, True))

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    def issue(
        self, address: str, *hosts: str
    ) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
        """Make a key and a certificate for the server on an IP address."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, address)])
        names = x509.SubjectAlternativeName(
            [
                x509.IPAddress(ipaddress.ip_address(address)),
                *map(x509.DNSName, hosts),
            ]
        )
        return key, self._sign(name, key.public_key(), (names, False))

    def issue_client(
        self, name: str, purpose: x509.ObjectIdentifier = _FOR_CLIENTS
    ) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
        """Make a key and a certificate for a client of that common name."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        use = x509.ExtendedKeyUsage([purpose])
        return key, self._sign(subject, key.public_key(), (use, False))

    def _sign(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePublicKey,
        extension: tuple[x509.ExtensionType, bool],
    ) -> x509.Certificate:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(BORN)
            .not_valid_after(DIES)
            .add_extension(*extension)
            .sign(self._key, hashes.SHA256())
        )


_CA = x509.BasicConstraints(ca=True, path_length=0)
