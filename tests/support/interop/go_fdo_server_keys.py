"""Keys and certificates that go-fdo-server is given as files: TEST KEYS, all.

It reads private keys as DER, and its own TLS key as PEM.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import NameOID

Private = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

PKCS8 = (PrivateFormat.PKCS8, NoEncryption())


@dataclass(frozen=True)
class Keys:
    """Where the files are, and what others must know of them, as PEM."""

    directory: Path
    kind: str
    manufacturer: Private
    owner: Private
    owner_certificate: str
    device_ca: str
    tls_ca: bytes

    @classmethod
    def make(cls, directory: Path, kind: str, buyer: str = "") -> "Keys":
        """Make all of one kind; ``buyer`` is a certificate that is not its owner's."""
        home = directory / "keys"
        home.mkdir(parents=True)
        made = {name: _private(kind) for name in ("manufacturer", "owner", "device-ca")}
        for name, key in made.items():
            (home / f"{name}.der").write_bytes(key.private_bytes(Encoding.DER, *PKCS8))
        authority = _private("ec256")
        vouches = _signed("TLS", authority, authority)
        (home / "tls-ca.crt").write_text(vouches)
        pems = {name: _signed(name, key, key) for name, key in made.items()}
        for name, pem in pems.items():
            (home / f"{name}.crt").write_text(pem)
        (home / "buyer.crt").write_text(buyer or pems["owner"])
        site = _private("ec256")
        (home / "site.key").write_bytes(site.private_bytes(Encoding.PEM, *PKCS8))
        (home / "site.crt").write_text(_signed("site", site, authority, "TLS"))
        return cls(
            home,
            kind,
            made["manufacturer"],
            made["owner"],
            pems["owner"],
            pems["device-ca"],
            vouches.encode(),
        )

    @property
    def tls_file(self) -> Path:
        return self.directory / "tls-ca.crt"

    @property
    def site_file(self) -> Path:
        return self.directory / "site.crt"

    @property
    def owner_pem(self) -> str:
        """Its owner's public key, as sellers take it."""
        return _public_pem(self.owner)

    @property
    def manufacturer_pem(self) -> str:
        return _public_pem(self.manufacturer)

    def factory_arguments(self) -> list[str]:
        home = self.directory
        return [
            *("--manufacturing-key", f"{home}/manufacturer.der"),
            *("--owner-cert", f"{home}/buyer.crt"),
            *("--device-ca-cert", f"{home}/device-ca.crt"),
            *("--device-ca-key", f"{home}/device-ca.der"),
        ]

    def owner_arguments(self) -> list[str]:
        home = self.directory
        key = ("--owner-key", f"{home}/owner.der")
        return [*key, "--device-ca-cert", f"{home}/device-ca.crt"]

    def tls(self) -> list[str]:
        home = self.directory
        return ["--http-cert", f"{home}/site.crt", "--http-key", f"{home}/site.key"]


def _private(kind: str) -> Private:
    if kind == "rsa2048":
        return rsa.generate_private_key(65537, 2048)
    return ec.generate_private_key(
        ec.SECP256R1() if kind == "ec256" else ec.SECP384R1()
    )


def _signed(name: str, key: Private, by: Private, issuer: str = "") -> str:
    """A certificate for 127.0.0.1; self-signed ones may sign others."""
    now = datetime.now(UTC)
    authority = x509.BasicConstraints(ca=not issuer, path_length=None)
    here = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    builder = (
        x509.CertificateBuilder()
        .subject_name(_named(name))
        .issuer_name(_named(issuer or name))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(authority, critical=True)
        .add_extension(here, critical=False)
    )
    return builder.sign(by, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"TEST {name}")])


def _public_pem(key: Private) -> str:
    form = PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(Encoding.PEM, form).decode()
