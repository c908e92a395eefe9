"""Certificates for keys that devices made for their owner (fdo.csr)."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from onboarding.services.key_material import certificate_hash, usage
from onboarding.services.key_store import KeyKind, KeyStore
from ownership_vouchers.algorithms import SigningKey

_BACKDATE = timedelta(hours=1)  # a device's clock may be behind
_USAGE = usage(signs=True)


@dataclass(frozen=True, slots=True)
class Certifier:
    """One of the owner's device CAs, for TLS clients.

    ``chain`` is its certificate and those above it; ``days`` is how long what it
    issues holds.
    """

    chain: tuple[x509.Certificate, ...]
    key: SigningKey = field(repr=False)
    days: int

    @classmethod
    def open(cls, store: KeyStore, name: str | None, days: int) -> "Certifier":
        """Open the CA of that name, or the first one.

        Raises:
            ValueError: There is none.
            KeyStoreError: Its key does not open.
        """
        known = store.list(KeyKind.DEVICE_CA)
        wanted = [one for one in known if name in (None, one.name)]
        if not wanted or wanted[0].certificate_pem is None:
            raise ValueError(
                f"there is no device CA {name or ''} here: make one with"
                " `vouchgate keys new --kind device-ca`"
            )
        key = store.private_key(wanted[0].name)
        pem = wanted[0].certificate_pem.encode()
        return cls(tuple(x509.load_pem_x509_certificates(pem)), key, days)

    @property
    def authority(self) -> x509.Certificate:
        """The CA's own certificate."""
        return self.chain[0]

    @property
    def authorities(self) -> tuple[bytes, ...]:
        """The chain as DER."""
        return tuple(one.public_bytes(Encoding.DER) for one in self.chain)

    def issue(
        self, request: x509.CertificateSigningRequest, name: str, now: int
    ) -> bytes:
        """Return a certificate (DER) for the request's key, and nothing else of it.

        Args:
            name: The common name; cut to the 64 characters that X.509 allows.
        """
        start = datetime.fromtimestamp(now, UTC)
        end = min(start + timedelta(days=self.days), self.authority.not_valid_after_utc)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
        public = self.key.public_key()
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(public)
        usages = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.authority.subject)
            .public_key(request.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(start - _BACKDATE)
            .not_valid_after(end)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
            .add_extension(_USAGE, critical=True)
            .add_extension(usages, critical=False)
            .add_extension(issuer, critical=False)
            .sign(self.key, certificate_hash(self.key))
            .public_bytes(Encoding.DER)
        )
