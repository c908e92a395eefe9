"""New keys, and keys as bytes: what a key file holds."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_pem_public_key,
)
from cryptography.x509.oid import NameOID

from onboarding.services.errors import KeyStoreError
from ownership_vouchers.algorithms import SigningKey, VerifyKey
from ownership_vouchers.errors import UnsupportedKeyError
from ownership_vouchers.key_algorithm import KeyAlgorithm as KeyAlgorithm
from ownership_vouchers.keys import PublicKey

# Devices have no clock at first: RFC 5280, section 4.1.2.5, "no expiry".
_FOREVER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
_EPOCH = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made; ``private`` is PKCS#8 DER, or what its holder wants kept."""

    private: bytes = field(repr=False)
    fingerprint: str
    public_pem: str
    certificate_pem: str


def generate(algorithm: KeyAlgorithm, *, ca: bool = False) -> NewKey:
    """Make a key and its self-signed certificate, with ``ca`` one of an authority.

    Raises:
        KeyStoreError: An authority of a kind that devices may not know.
    """
    require_issuing(algorithm, ca=ca)
    return packed(_new(algorithm), ca=ca)


def require_issuing(algorithm: KeyAlgorithm, *, ca: bool) -> None:
    """Raises KeyStoreError: an authority of a kind that devices may not know."""
    if ca and algorithm.pss:
        raise KeyStoreError(
            "a device CA signs certificates, and not all who read those know PSS:"
            " leave -PSS out"
        )


def packed(key: SigningKey, *, ca: bool = False) -> NewKey:
    """Return a key as ``generate`` does.

    One that is no authority's is written with its certificate where a device wants keys
    as X5CHAIN.
    """
    private = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return described(key, ca=ca, private=private)


def described(key: SigningKey, *, ca: bool = False, private: bytes = b"") -> NewKey:
    """Return what is told of a key, with its certificate."""
    public = key.public_key()
    return NewKey(
        private,
        PublicKey.of(public).fingerprint(),
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
        _self_signed(key, ca=ca),
    )


def algorithm_of(key: SigningKey, *, pss: bool = False) -> KeyAlgorithm:
    """Tell which kind of key it is. Raises KeyStoreError for one FDO does not use."""
    if pss and not isinstance(key, rsa.RSAPrivateKey):
        raise KeyStoreError("PSS is a kind of signature by RSA keys")
    try:
        return KeyAlgorithm.of(key.public_key(), pss=pss)
    except UnsupportedKeyError as error:
        raise KeyStoreError(
            "a key that FDO does not use: it knows P-256, P-384 and RSA of 2048 or 3072"
            " bits"
        ) from error


def load_private(der: bytes) -> SigningKey:
    """Read PKCS#8 DER.

    Raises:
        KeyStoreError: Not a private key of a kind FDO knows.
    """
    try:
        key = load_der_private_key(der, password=None)
    except ValueError as error:
        raise KeyStoreError("the file opens but holds no private key") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise KeyStoreError("the private key is of a kind FDO does not use")
    return key


def load_public(pem: str) -> VerifyKey:
    """Read the public half as a key file has it. Raises KeyStoreError."""
    try:
        key = load_pem_public_key(pem.encode())
    except ValueError as error:
        raise KeyStoreError("a key file's public key cannot be read") from error
    if not isinstance(key, VerifyKey):
        raise KeyStoreError("the public key is of a kind FDO does not use")
    return key


def _new(algorithm: KeyAlgorithm) -> SigningKey:
    match algorithm:
        case KeyAlgorithm.P256:
            return ec.generate_private_key(ec.SECP256R1())
        case KeyAlgorithm.P384:
            return ec.generate_private_key(ec.SECP384R1())
        case KeyAlgorithm.RSA2048 | KeyAlgorithm.RSA2048_PSS:
            return rsa.generate_private_key(65537, 2048)
        case KeyAlgorithm.RSA3072 | KeyAlgorithm.RSA3072_PSS:
            return rsa.generate_private_key(65537, 3072)


def _self_signed(key: SigningKey, *, ca: bool) -> str:
    serial = x509.random_serial_number()
    common = f"Vouchgate {'device CA' if ca else 'key'} {serial:x}"[:64]
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(_EPOCH)
        .not_valid_after(_FOREVER)
        .add_extension(x509.BasicConstraints(ca, 0 if ca else None), critical=True)
        .add_extension(_CA_USAGE if ca else _KEY_USAGE, critical=True)
        .add_extension(identifier, critical=False)
    )
    certificate = builder.sign(key, certificate_hash(key))
    return certificate.public_bytes(Encoding.PEM).decode()


def certificate_hash(key: SigningKey) -> hashes.SHA256 | hashes.SHA384:
    """Return what ``key`` hashes the certificates with that it signs."""
    return hashes.SHA384() if strong(key.key_size) else hashes.SHA256()


def strong(key_size: int) -> bool:
    """Whether a key of so many bits is of the stronger of FDO's two classes."""
    return key_size in (384, 3072)


def usage(*, signs: bool = False, issues: bool = False) -> x509.KeyUsage:
    """Return the usage of a key that signs messages, or issues certificates."""
    return x509.KeyUsage(
        digital_signature=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=issues,
        crl_sign=issues,
        encipher_only=False,
        decipher_only=False,
    )


_CA_USAGE, _KEY_USAGE = usage(issues=True), usage(signs=True)
