"""Certificate authorities one above the other, good and bad. TEST KEYS."""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

NOW = int(time.time())


@dataclass
class Authority:
    """A key and its certificate, above ``path_length`` others."""

    name: str
    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP384R1())
    )
    certificate: x509.Certificate = field(init=False)

    def signed_by(self, above: "Authority", **changed: Any) -> "Authority":
        self.certificate = above.issue(self.key.public_key(), self.name, **changed)
        return self

    def issue(
        self,
        key: Any,
        name: str,
        *,
        ca: bool = True,
        length: int | None = 3,
        signs: bool = True,
        years: int = 10,
        since: int = 1,
    ) -> x509.Certificate:
        start = datetime.fromtimestamp(NOW, UTC) - timedelta(days=since)
        usage = x509.KeyUsage(
            True, False, False, False, False, signs, signs, False, False
        )
        builder = (
            x509.CertificateBuilder()
            .subject_name(named(name))
            .issuer_name(named(self.name))
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(start + timedelta(days=365 * years))
            .add_extension(x509.BasicConstraints(ca, length if ca else None), True)
            .add_extension(usage, critical=True)
        )
        return builder.sign(self.key, hashes.SHA384())


def named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])


def pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(one.public_bytes(Encoding.PEM) for one in certificates)


ROOT = Authority("root")
ROOT.signed_by(ROOT)
MIDDLE = Authority("middle").signed_by(ROOT, length=1)
