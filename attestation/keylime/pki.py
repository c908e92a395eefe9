"""Certificates for Keylime's own mTLS: a private authority that lives for one call.

The authority's key is never written: once the leaves exist nobody can make another
client certificate, and any client certificate is full administration on both programs.
"""

import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME = timedelta(days=825)
CLOCK_SLACK = timedelta(minutes=5)
SERVERS = ("registrar", "verifier", "webhook")
CLIENTS = ("verifier-client", "owner")
LOOPBACK = ("localhost", "127.0.0.1")


@dataclass(frozen=True, slots=True)
class Pki:
    """A directory of PEM files: ``ca.crt``, and ``.crt`` and ``.key`` of each leaf.

    Leaves: ``registrar``, ``verifier`` (servers), ``verifier-client`` (the verifier
    towards pull agents and our webhook), ``webhook`` (ours, a server) and ``owner`` (us
    towards both).
    """

    directory: Path

    @property
    def ca(self) -> Path:
        return self.directory / "ca.crt"

    def certificate(self, leaf: str) -> Path:
        return self.directory / f"{leaf}.crt"

    def key(self, leaf: str) -> Path:
        return self.directory / f"{leaf}.key"

    def complete(self, now: datetime) -> bool:
        """Say whether every file is there and good for another day."""
        names = (*SERVERS, *CLIENTS)
        files = [self.ca, *map(self.certificate, names), *map(self.key, names)]
        if not all(file.is_file() for file in files):
            return False
        certificate = x509.load_pem_x509_certificate(self.ca.read_bytes())
        return certificate.not_valid_after_utc > now + timedelta(days=1)


def ensure_pki(directory: Path, hosts: Sequence[str] = LOOPBACK) -> Pki:
    """Return the certificates in ``directory``, making all of them anew if need be.

    Args:
        directory: Made with mode 0700; keys in it have mode 0600.
        hosts: DNS names and IP addresses at which the two programs are reached.
    """
    pki = Pki(directory)
    now = datetime.now(UTC)
    if pki.complete(now):
        return pki
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    authority = _Authority.new(now)
    for name in SERVERS:
        usage = ExtendedKeyUsageOID.SERVER_AUTH
        _save_leaf(pki, name, authority, usage, hosts)
    for name in CLIENTS:
        _save_leaf(pki, name, authority, ExtendedKeyUsageOID.CLIENT_AUTH, ())
    # Last, so that an interrupted run is not taken for a complete one.
    pki.ca.write_bytes(_pem(authority.certificate))
    return pki


@dataclass(frozen=True, slots=True)
class _Authority:
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate
    now: datetime

    @classmethod
    def new(cls, now: datetime) -> "_Authority":
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name("Vouchgate Keylime CA")
        builder = _builder(name, name, key.public_key(), now)
        builder = builder.add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        ).add_extension(_key_usage(signs_certificates=True), critical=True)
        return cls(key, builder.sign(key, hashes.SHA256()), now)

    def issue(
        self,
        public_key: ec.EllipticCurvePublicKey,
        name: str,
        usage: x509.ObjectIdentifier,
        hosts: Sequence[str],
    ) -> x509.Certificate:
        subject, issuer = _name(name), self.certificate.subject
        builder = _builder(subject, issuer, public_key, self.now)
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(
            self.key.public_key()
        )
        builder = (
            builder.add_extension(
                x509.BasicConstraints(ca=False, path_length=None), critical=True
            )
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(authority, critical=False)
        )
        if hosts:
            names = x509.SubjectAlternativeName([_general_name(h) for h in hosts])
            builder = builder.add_extension(names, critical=False)
        return builder.sign(self.key, hashes.SHA256())


def _save_leaf(
    pki: Pki,
    name: str,
    authority: _Authority,
    usage: x509.ObjectIdentifier,
    hosts: Sequence[str],
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = authority.issue(key.public_key(), name, usage, hosts)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    pki.key(name).unlink(missing_ok=True)
    descriptor = os.open(pki.key(name), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
    pki.certificate(name).write_bytes(_pem(certificate))


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    now: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SLACK)
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), False)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
