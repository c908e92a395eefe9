"""The device CA: certificates for device keys, signed at DI."""

from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from onboarding.services.errors import SettingsError
from onboarding.services.key_store import KeyKind, KeyStore
from ownership_vouchers.algorithms import SigningKey
from ownership_vouchers.keys import certificate_key

# A device may outlive any date we could choose, and has no clock to hold it
# against: RFC 5280, section 4.1.2.5. Backdated for clocks that run behind ours.
_FOREVER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
_START = datetime(2020, 1, 1, tzinfo=UTC)


class DeviceCa:
    """Issues from the CA key of the device key's own curve, if there is one."""

    def __init__(self, store: KeyStore) -> None:
        infos = store.list(KeyKind.DEVICE_CA)
        if not infos:
            raise SettingsError(
                "there is no device CA: make one with `vouchgate keys new --kind"
                " device-ca`"
            )
        self._issuers = [
            (store.certificate(info.name), store.private_key(info.name))
            for info in infos
        ]

    def certificates(self) -> tuple[x509.Certificate, ...]:
        """The CA certificates: what device chains end in."""
        return tuple(certificate for certificate, _ in self._issuers)

    def issue(
        self, request: x509.CertificateSigningRequest, serial: str
    ) -> tuple[bytes, ...]:
        """Return the device's chain, leaf first, as DER.

        Args:
            request: Its signature has been checked.
            serial: The device's serial number; becomes the common name.
        """
        authority, key = self._for(request)
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(serial))
            .issuer_name(authority.subject)
            .public_key(request.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(_START)
            .not_valid_after(_FOREVER)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
            .add_extension(_SIGNS_ONLY, critical=True)
            .add_extension(_key_id(authority), critical=False)
        )
        leaf = builder.sign(key, _hash(key))
        return leaf.public_bytes(Encoding.DER), authority.public_bytes(Encoding.DER)

    def _for(
        self, request: x509.CertificateSigningRequest
    ) -> tuple[x509.Certificate, SigningKey]:
        wanted = request.public_key()
        for certificate, key in self._issuers:
            if _size(wanted) == key.key_size:
                return certificate, key
        return self._issuers[0]


def _size(key: object) -> int | None:
    return key.key_size if isinstance(key, ec.EllipticCurvePublicKey) else None


def _name(serial: str) -> x509.Name:
    printable = "".join(c for c in serial if c.isprintable())[:64]
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, printable or "device")])


def _key_id(authority: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    public = certificate_key(authority)
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(public)


def _hash(key: SigningKey) -> hashes.SHA256 | hashes.SHA384:
    return hashes.SHA384() if key.key_size in (384, 3072) else hashes.SHA256()


_SIGNS_ONLY = x509.KeyUsage(
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
