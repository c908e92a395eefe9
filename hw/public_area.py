"""TPM2B_PUBLIC, read in pure Python: what a TPM key is and what it can be trusted for.

Nothing is re-encoded: a key's name is taken over the bytes received.
Source: TPM 2.0 Library, part 2, section 12.2 and the sections named below.
"""

from dataclasses import dataclass, field
from enum import STRICT, IntFlag
from typing import Self

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from hw.algorithms import NULL, Curve, HashAlg, KeyAlg, Scheme, SchemeAlg, Symmetric
from hw.errors import EvidenceError, StructureError
from hw.reader import Reader
from hw.signature import PublicKey

MAX_PUBLIC = 1024  # bytes of a TPM2B_PUBLIC; an RSA-4096 EK takes about 600
_AES, _CFB = 0x0006, 0x0043
_RSA_BITS = (2048, 3072, 4096)


class TpmaObject(IntFlag, boundary=STRICT):
    """TPMA_OBJECT, part 2 section 8.3; reserved bits are refused."""

    FIXED_TPM = 1 << 1
    ST_CLEAR = 1 << 2
    FIXED_PARENT = 1 << 4
    SENSITIVE_DATA_ORIGIN = 1 << 5
    USER_WITH_AUTH = 1 << 6
    ADMIN_WITH_POLICY = 1 << 7
    FIRMWARE_LIMITED = 1 << 8
    SVN_LIMITED = 1 << 9
    NO_DA = 1 << 10
    ENCRYPTED_DUPLICATION = 1 << 11
    RESTRICTED = 1 << 16
    DECRYPT = 1 << 17
    SIGN = 1 << 18
    X509_SIGN = 1 << 19


UNEXPORTABLE = (
    TpmaObject.FIXED_TPM | TpmaObject.FIXED_PARENT | TpmaObject.SENSITIVE_DATA_ORIGIN
)
# Template L-1 of the TCG EK Credential Profile 2.5, appendix B.3.3.
_L1_ATTRIBUTES = (
    UNEXPORTABLE
    | TpmaObject.ADMIN_WITH_POLICY
    | TpmaObject.RESTRICTED
    | TpmaObject.DECRYPT
)
_L1_POLICY = bytes.fromhex(
    "837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa"
)
_ROLE = TpmaObject.RESTRICTED | TpmaObject.DECRYPT | TpmaObject.SIGN


@dataclass(frozen=True, slots=True)
class PublicArea:
    """An asymmetric TPM key's public half: TPM2B_PUBLIC, part 2 section 12.2.5."""

    raw: bytes = field(repr=False)  # the TPM2B_PUBLIC exactly as received
    type: KeyAlg
    name_alg: HashAlg
    attributes: TpmaObject
    policy: bytes  # authPolicy digest, empty when there is none
    symmetric: Symmetric | None
    scheme: Scheme | None
    key: PublicKey
    name: bytes  # nameAlg identifier || digest of the TPMT_PUBLIC

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read one marshalled TPM2B_PUBLIC; raises StructureError on any other shape.

        Accepted: RSA 2048, 3072 and 4096 with exponent 65537; points on P-256, P-384.
        """
        outer = Reader(data, "TPM2B_PUBLIC", MAX_PUBLIC)
        body = outer.sized(MAX_PUBLIC)
        outer.end()
        reader = Reader(body, "TPMT_PUBLIC", MAX_PUBLIC)
        kind, name_alg = reader.member(KeyAlg), reader.member(HashAlg)
        attributes = _attributes(reader.uint(4))
        policy = reader.sized(name_alg.size)
        if len(policy) not in (0, name_alg.size):
            raise StructureError("authPolicy is neither empty nor a digest")
        symmetric, scheme = _symmetric(reader), _scheme(reader, kind)
        key = _rsa_key(reader) if kind is KeyAlg.RSA else _ecc_key(reader)
        reader.end()
        name = name_alg.to_bytes(2, "big") + name_alg.digest(body)
        return cls(
            data, kind, name_alg, attributes, policy, symmetric, scheme, key, name
        )

    def require_attestation_key(self) -> Scheme:
        """Its scheme, if this key signs only what the TPM itself has generated.

        Raises:
            EvidenceError: It can leave the TPM, decrypt, or sign any data, with which
                its holder could forge attestations; or its scheme is open.
        """
        self._require("attestation key", TpmaObject.RESTRICTED | TpmaObject.SIGN)
        if self.scheme is None:
            raise EvidenceError("the attestation key has no fixed signature scheme")
        return self.scheme

    def require_endorsement_key(self) -> Symmetric:
        """Its cipher, if this is a restricted decryption key bound to its TPM.

        Raises:
            EvidenceError: It is another kind of key: a credential made for it proves
                nothing.
        """
        self._require("endorsement key", TpmaObject.RESTRICTED | TpmaObject.DECRYPT)
        if self.symmetric is None:
            raise EvidenceError("the endorsement key names no symmetric cipher")
        return self.symmetric

    @property
    def is_default_endorsement_key(self) -> bool:
        """Whether it is of the template that every TPM's first EK has: RSA-2048, L-1.

        A TPM has one such key that its vendor certifies, and often others beside it.
        """
        form = (self.type, self.name_alg, self.policy, self.symmetric, self.scheme)
        return (
            form == (KeyAlg.RSA, HashAlg.SHA256, _L1_POLICY, Symmetric(128), None)
            and self.attributes == _L1_ATTRIBUTES
            and self.key.key_size == 2048
        )

    def require_device_key(self) -> None:
        """Raise EvidenceError unless this is an unexportable, plain signing key."""
        self._require("device key", TpmaObject.SIGN)

    def _require(self, what: str, role: TpmaObject) -> None:
        if self.attributes & UNEXPORTABLE != UNEXPORTABLE:
            raise EvidenceError(f"the {what} was not made in, or can leave, its TPM")
        if self.attributes & _ROLE != role:
            raise EvidenceError(f"the {what} has not the attributes of its role")


def _attributes(bits: int) -> TpmaObject:
    try:
        return TpmaObject(bits)
    except ValueError as error:
        raise StructureError(f"reserved attributes in {bits:#010x}") from error


def _symmetric(reader: Reader) -> Symmetric | None:
    """TPMT_SYM_DEF_OBJECT, part 2 section 11.1.7: null, or AES in CFB mode."""
    alg = reader.uint(2)
    if alg == NULL:
        return None
    bits, mode = reader.uint(2), reader.uint(2)
    if (alg, mode) != (_AES, _CFB) or bits not in (128, 256):
        raise StructureError("symmetric cipher is not AES-128 or AES-256 in CFB mode")
    return Symmetric(bits)


def _scheme(reader: Reader, kind: KeyAlg) -> Scheme | None:
    """TPMT_RSA_SCHEME or TPMT_ECC_SCHEME: null, or a signature scheme of that key."""
    number = reader.uint(2)
    if number == NULL:
        return None
    allowed = {
        KeyAlg.RSA: (SchemeAlg.RSASSA, SchemeAlg.RSAPSS),
        KeyAlg.ECC: (SchemeAlg.ECDSA,),
    }[kind]
    for alg in allowed:
        if alg == number:
            return Scheme(alg, reader.member(HashAlg))
    raise StructureError(f"scheme {number:#06x} is not accepted for {kind.name} keys")


def _rsa_key(reader: Reader) -> rsa.RSAPublicKey:
    bits, exponent = reader.uint(2), reader.uint(4)
    modulus = int.from_bytes(reader.sized(MAX_PUBLIC // 2), "big")
    if exponent not in (0, 65537):  # 0 means the default, 65537
        raise StructureError(f"RSA exponent {exponent} is not accepted")
    if bits not in _RSA_BITS or modulus.bit_length() != bits or modulus % 2 == 0:
        raise StructureError("RSA modulus is not of an accepted size")
    try:
        return rsa.RSAPublicNumbers(65537, modulus).public_key()
    except ValueError as error:
        raise StructureError("not an RSA public key") from error


def _ecc_key(reader: Reader) -> ec.EllipticCurvePublicKey:
    curve = reader.member(Curve)
    if reader.uint(2) != NULL:
        raise StructureError("key derivation schemes are not accepted")
    x = int.from_bytes(reader.sized(curve.size), "big")
    y = int.from_bytes(reader.sized(curve.size), "big")
    try:
        return ec.EllipticCurvePublicNumbers(x, y, curve.curve).public_key()
    except ValueError as error:
        raise StructureError("not a point on the curve") from error
