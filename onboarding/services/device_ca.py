"""The manufacturer's authority over device certificates."""

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from onboarding.services.errors import KeyStoreError, SettingsError
from onboarding.services.key_store import KeyKind, KeyStore

_YEARS = timedelta(days=30 * 365)
_BACKDATE = timedelta(days=1)  # a device's clock may be behind

Issuer = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


class DeviceCas:
    """Every device CA in the key store, opened once."""

    def __init__(self, store: KeyStore) -> None:
        self._issuers = [
            _open(store, info.name) for info in store.list(KeyKind.DEVICE_CA)
        ]
        if not self._issuers:
            raise SettingsError(
                "there is no device CA: make one with `vouchgate keys new --kind"
                " device-ca`"
            )

    def issue(
        self, request: x509.CertificateSigningRequest, serial: str, now: int
    ) -> tuple[bytes, ...]:
        """Return the device's chain, leaf first, as DER; valid for 30 years.

        The CA of the device key's own curve signs, so that a chain is as strong
        as the key it vouches for; the first CA signs for kinds it has none of.

        Args:
            request: Its signature has been checked; only its key is used.
            serial: The device's serial number: the certificate's common name.
        """
        wanted = getattr(request.public_key(), "key_size", None)
        fitting = [one for one in self._issuers if one[1].key_size == wanted]
        authority, key = (fitting or self._issuers)[0]
        start = datetime.fromtimestamp(now, UTC) - _BACKDATE
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
        leaf = (
            x509.CertificateBuilder()
            .subject_name(_name(serial))
            .issuer_name(authority.subject)
            .public_key(request.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(start + _YEARS)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
            .add_extension(_SIGNS, critical=True)
            .add_extension(issuer, critical=False)
            .sign(key, hashes.SHA384() if key.key_size == 384 else hashes.SHA256())
        )
        return leaf.public_bytes(Encoding.DER), authority.public_bytes(Encoding.DER)


def _name(serial: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, serial[:64] or "device")])


def _open(store: KeyStore, name: str) -> Issuer:
    key = store.private_key(name)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise KeyStoreError(f"device CA {name} is not an EC key")
    return store.certificate(name), key


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
