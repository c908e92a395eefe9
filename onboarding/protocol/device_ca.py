"""The manufacturer's authority over device certificates."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from ownership_vouchers.algorithms import VerifyKey
from ownership_vouchers.keys import load_spki, type_of

_YEARS = timedelta(days=30 * 365)
_BACKDATE = timedelta(days=1)  # a device's clock may be behind


@dataclass(frozen=True, slots=True)
class DeviceCa:
    """An issuing key and its certificates, the issuer's own first."""

    key: ec.EllipticCurvePrivateKey = field(repr=False)
    chain: tuple[x509.Certificate, ...]

    def issue(
        self,
        request: x509.CertificateSigningRequest,
        serial: str,
        now: int,
        random: Callable[[int], bytes],
    ) -> tuple[bytes, ...]:
        """Return the device's chain, leaf first, as DER; valid for 30 years.

        Args:
            request: Its signature has been checked; only its key is used.
            serial: The device's serial number: the certificate's common name.
        """
        start = datetime.fromtimestamp(now, UTC) - _BACKDATE
        issuer = self.chain[0]
        name = x509.NameAttribute(NameOID.COMMON_NAME, serial[:64] or "device")
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(
            self.key.public_key()
        )
        leaf = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([name]))
            .issuer_name(issuer.subject)
            .public_key(request_key(request))
            .serial_number(int.from_bytes(random(16), "big") >> 1 | 1)
            .not_valid_before(start)
            .not_valid_after(start + _YEARS)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
            .add_extension(_SIGNS, critical=True)
            .add_extension(authority, critical=False)
            .sign(self.key, _hash_for(self.key))
        )
        certificates = (leaf, *self.chain)
        return tuple(one.public_bytes(Encoding.DER) for one in certificates)


_SIGNS = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)


def request_key(request: x509.CertificateSigningRequest) -> VerifyKey:
    """Return the key a request asks a certificate for.

    Raises:
        MalformedError, UnsupportedKeyError: A key that FDO has no type for.
    """
    der = request.public_key().public_bytes(
        Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    )
    key = load_spki(der)
    type_of(key)
    return key


def _hash_for(key: ec.EllipticCurvePrivateKey) -> hashes.SHA256 | hashes.SHA384:
    return hashes.SHA384() if key.curve.key_size == 384 else hashes.SHA256()
