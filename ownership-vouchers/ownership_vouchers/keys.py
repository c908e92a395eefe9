"""FDO PublicKey in its three encodings. Source: FDO 1.1, section 3.3.4.

Two keys are compared by what they are (SubjectPublicKeyInfo), never by how
they were written.
"""

import hashlib
from dataclasses import dataclass, field
from enum import IntEnum, unique
from functools import lru_cache
from typing import Self

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)

from ownership_vouchers import cbor
from ownership_vouchers.algorithms import Alg, VerifyKey, alg_for
from ownership_vouchers.cose_key import is_bare, read_cose_key, write_cose_key
from ownership_vouchers.errors import MalformedError, UnsupportedKeyError

MAX_CHAIN = 10


@unique
class KeyType(IntEnum):
    """pkType."""

    RSA2048RESTR = 1
    RSAPKCS = 5
    RSAPSS = 6
    SECP256R1 = 10
    SECP384R1 = 11


@unique
class KeyEncoding(IntEnum):
    """pkEnc; Crypto (0, EPID) is not taken."""

    X509 = 1
    X5CHAIN = 2
    COSEKEY = 3


# What `cryptography` raises on certificates it cannot read; warnings are for odd ones
# (a serial number below one, a country of three letters) where warnings are errors.
UNREADABLE = (
    ValueError,
    TypeError,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
    UserWarning,
)


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key beside the CBOR item it came in.

    ``raw`` is what hashes cover; ``chain`` is filled for X5CHAIN only.
    """

    type: KeyType
    encoding: KeyEncoding
    raw: bytes = field(repr=False)
    key: VerifyKey
    chain: tuple[x509.Certificate, ...] = ()
    alg: Alg = field(init=False, repr=False, compare=False)  # of its signatures
    spki: bytes = field(init=False, repr=False, compare=False)  # DER

    def __post_init__(self) -> None:
        alg = alg_for(self.key, pss=self.type is KeyType.RSAPSS)
        object.__setattr__(self, "alg", alg)
        object.__setattr__(self, "spki", spki(self.key))

    @classmethod
    def from_cbor(cls, raw: bytes) -> "PublicKey":
        """Decode ``[pkType, pkEnc, pkBody]``.

        Raises:
            MalformedError: Another shape.
            UnsupportedKeyError: A key that is not what pkType says, or EPID.
        """
        return _decode(raw)

    @classmethod
    def from_item(cls, item: object) -> "PublicKey":
        """As ``from_cbor``, where the exact bytes are not hashed."""
        return cls.from_cbor(cbor.encode(item))

    @classmethod
    def of(
        cls,
        key: VerifyKey,
        encoding: KeyEncoding = KeyEncoding.X509,
        chain: tuple[x509.Certificate, ...] = (),
        *,
        pss: bool = False,
        key_type: KeyType | None = None,
        bare: bool = False,
    ) -> Self:
        """Write ``key`` as a PublicKey; X5CHAIN needs its ``chain``, leaf first.

        ``key_type`` decides where more than one fits (RSA of 2048 bits). ``bare``
        leaves ``kty`` out of a COSE_Key, which C and Java peers want.

        Raises:
            UnsupportedKeyError: The key is of no FDO type, or not of that one.
        """
        key_type = type_of(key, pss=pss) if key_type is None else key_type
        _require(key_type, key)
        body = _write(key, encoding, chain, bare=bare)
        raw = cbor.encode([int(key_type), int(encoding), body])
        kept = chain if encoding is KeyEncoding.X5CHAIN else ()
        return cls(key_type, encoding, raw, key, kept)

    @property
    def bare(self) -> bool:
        """Whether this is a COSE_Key that does not say which kind of key it is."""
        if self.encoding is not KeyEncoding.COSEKEY:
            return False
        return is_bare(cbor.array(cbor.decode(self.raw), 3)[2])

    def without_kty(self) -> "PublicKey":
        """Return a COSE_Key in its bare form; another encoding as it is."""
        if self.encoding is not KeyEncoding.COSEKEY:
            return self
        return PublicKey.of(self.key, self.encoding, key_type=self.type, bare=True)

    def fingerprint(self) -> str:
        """SHA-256 of the SubjectPublicKeyInfo, 64 hexadecimal digits."""
        return hashlib.sha256(self.spki).hexdigest()

    def same_key(self, other: "PublicKey") -> bool:
        return self.spki == other.spki

    def to_item(self) -> object:
        return cbor.decode(self.raw)


def spki(key: VerifyKey) -> bytes:
    """Return ``key`` as DER SubjectPublicKeyInfo."""
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def type_of(key: VerifyKey, *, pss: bool = False) -> KeyType:
    """Return the FDO key type of ``key``.

    Raises:
        UnsupportedKeyError: A curve, RSA size or exponent FDO has no type for.
    """
    alg = alg_for(key, pss=pss)
    if isinstance(key, ec.EllipticCurvePublicKey):
        return KeyType.SECP256R1 if alg is Alg.ES256 else KeyType.SECP384R1
    if key.public_numbers().e != 65537:
        raise UnsupportedKeyError("RSA exponent is not 65537")
    if pss:
        return KeyType.RSAPSS
    return KeyType.RSA2048RESTR if key.key_size == 2048 else KeyType.RSAPKCS


@lru_cache(maxsize=256)
def _decode(raw: bytes) -> PublicKey:
    """Manufacturers and owners are few, and their vouchers many: read a key once."""
    kind, form, body = cbor.array(cbor.decode(raw), 3)
    try:
        key_type = KeyType(cbor.uint(kind, 8))
        encoding = KeyEncoding(cbor.uint(form, 8))
    except ValueError as error:
        raise UnsupportedKeyError(f"key type {kind}, encoding {form}") from error
    key, chain = _read(key_type, encoding, body)
    _require(key_type, key)
    return PublicKey(key_type, encoding, raw, key, chain)


def _require(key_type: KeyType, key: VerifyKey) -> None:
    """Refuse a key that is not of the type it is announced as."""
    if isinstance(key, rsa.RSAPublicKey):
        alg_for(key)
        if key.public_numbers().e != 65537:
            raise UnsupportedKeyError("RSA exponent is not 65537")
        if key_type in (KeyType.RSAPKCS, KeyType.RSAPSS):
            return
    if type_of(key) is not key_type:
        raise UnsupportedKeyError(f"the key is not of type {key_type.name}")


def _read(
    key_type: KeyType, encoding: KeyEncoding, body: object
) -> tuple[VerifyKey, tuple[x509.Certificate, ...]]:
    match encoding:
        case KeyEncoding.X509:
            return load_spki(cbor.bstr(body, limit=2048)), ()
        case KeyEncoding.X5CHAIN:
            chain = _read_chain(body)
            return certificate_key(chain[0]), chain
        case KeyEncoding.COSEKEY:
            return read_cose_key(key_type.name.lower(), body), ()


def load_spki(der: bytes) -> VerifyKey:
    """Load a DER SubjectPublicKeyInfo of a kind FDO knows."""
    try:
        return _known(load_der_public_key(der))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise MalformedError("not a DER SubjectPublicKeyInfo") from error


def load_certificate(der: bytes) -> x509.Certificate:
    """Load one DER certificate, and every part that is otherwise read when asked for.

    Raises:
        MalformedError: Not one, or a part of it that nobody could use.
    """
    try:
        certificate = x509.load_der_x509_certificate(der)
        _ = (certificate.subject, certificate.issuer, certificate.extensions)
        _ = (certificate.not_valid_before_utc, certificate.not_valid_after_utc)
    except UNREADABLE as error:
        raise MalformedError("not a DER certificate") from error
    if certificate.serial_number <= 0:
        raise MalformedError("a certificate whose serial number is not positive")
    return certificate


def certificate_key(certificate: x509.Certificate) -> VerifyKey:
    """Return a certificate's key, if it is of a kind FDO knows."""
    try:
        return _known(certificate.public_key())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UnsupportedKeyError("the certificate's key is not taken") from error


def leaf_key(der: bytes) -> VerifyKey:
    """Return the key in one DER certificate of which nothing else is asked.

    Raises:
        MalformedError: Not a certificate.
        UnsupportedKeyError: Its key is of no kind FDO knows.
    """
    try:
        certificate = x509.load_der_x509_certificate(der)
    except UNREADABLE as error:
        raise MalformedError("not a DER certificate") from error
    return certificate_key(certificate)


def _known(key: object) -> VerifyKey:
    if not isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
        raise UnsupportedKeyError(f"key of kind {type(key).__name__}")
    return key


def _read_chain(body: object) -> tuple[x509.Certificate, ...]:
    """An array of certificates; one peer wraps the array in a byte string."""
    if isinstance(body, bytes):
        body = cbor.decode(body)
    items = cbor.array(body, limit=MAX_CHAIN)
    if not items:
        raise MalformedError("empty certificate chain")
    return tuple(load_certificate(cbor.bstr(item, limit=8192)) for item in items)


def _write(
    key: VerifyKey,
    encoding: KeyEncoding,
    chain: tuple[x509.Certificate, ...],
    *,
    bare: bool,
) -> object:
    match encoding:
        case KeyEncoding.X509:
            return spki(key)
        case KeyEncoding.X5CHAIN:
            if not chain or spki(certificate_key(chain[0])) != spki(key):
                raise UnsupportedKeyError("X5CHAIN needs the key's own chain")
            return [one.public_bytes(Encoding.DER) for one in chain]
        case KeyEncoding.COSEKEY:
            return write_cose_key(key, bare=bare)
