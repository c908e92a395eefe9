"""Builds public areas and statements as a TPM would, signed by a key in memory.

For what a real TPM would never do: statements with one thing wrong, rightly signed.
"""

from dataclasses import dataclass, replace
from typing import Self

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from hw.algorithms import HashAlg
from hw.pcr_blob import build_pcr_blob
from hw.structures import PublicArea, TpmaObject

MAGIC = 0xFF544347
QUOTE, CERTIFY = 0x8018, 0x8017
UNEXPORTABLE = (
    TpmaObject.FIXED_TPM | TpmaObject.FIXED_PARENT | TpmaObject.SENSITIVE_DATA_ORIGIN
)
AK = UNEXPORTABLE | TpmaObject.RESTRICTED | TpmaObject.SIGN
EK = UNEXPORTABLE | TpmaObject.RESTRICTED | TpmaObject.DECRYPT
L1 = EK | TpmaObject.ADMIN_WITH_POLICY
# TPM2_PolicySecret(TPM_RH_ENDORSEMENT): TCG EK Credential Profile 2.5, B.6.2
POLICY_A = bytes.fromhex(
    "837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa"
)

NULL = "0010"
AES128, AES256 = "000600800043", "000601000043"
ECDSA256, RSASSA256, RSAPSS256 = "0018000b", "0014000b", "0016000b"
P256, P384 = "0003", "0004"
SHA256 = "000b"


def sized(data: bytes) -> bytes:
    """A TPM2B."""
    return len(data).to_bytes(2, "big") + data


def ecc_public(
    key: ec.EllipticCurvePublicKey,
    attributes: int,
    symmetric: str = NULL,
    scheme: str = ECDSA256,
    name_alg: str = SHA256,
    kdf: str = NULL,
) -> bytes:
    """TPM2B_PUBLIC of an ECC key; identifiers in hex."""
    size = key.key_size // 8
    numbers = key.public_numbers()
    head = f"0023{name_alg}{attributes:08x}0000{symmetric}{scheme}"
    curve = P256 if size == 32 else P384
    point = sized(numbers.x.to_bytes(size)) + sized(numbers.y.to_bytes(size))
    return sized(bytes.fromhex(head + curve + kdf) + point)


def rsa_public(
    key: rsa.RSAPublicKey,
    attributes: int,
    symmetric: str = NULL,
    scheme: str = RSASSA256,
    exponent: int = 0,
    policy: bytes = b"",
) -> bytes:
    """TPM2B_PUBLIC of an RSA key; identifiers in hex."""
    head = f"0001{SHA256}{attributes:08x}{sized(policy).hex()}{symmetric}{scheme}"
    sizes = f"{key.key_size:04x}{exponent:08x}"
    modulus = key.public_numbers().n.to_bytes(key.key_size // 8)
    return sized(bytes.fromhex(head + sizes) + sized(modulus))


def rsa_ek(
    key: rsa.RSAPublicKey,
    attributes: int = L1,
    symmetric: str = AES128,
    policy: bytes = POLICY_A,
) -> bytes:
    """TPM2B_PUBLIC of a TPM's first endorsement key, or of one almost like it."""
    return rsa_public(key, attributes, symmetric, NULL, policy=policy)


@dataclass(frozen=True, slots=True)
class Statement:
    """A TPMS_ATTEST in the making: ``replace`` one field to forge it."""

    magic: int = MAGIC
    kind: int = QUOTE
    nonce: bytes = b"fresh nonce"
    clock: bytes = (123456).to_bytes(8) + (7).to_bytes(4) + (3).to_bytes(4) + b"\1"
    selection: bytes = b""
    body: bytes = b""

    @classmethod
    def quote(cls, pcrs: dict[int, bytes], bank: HashAlg = HashAlg.SHA256) -> Self:
        """A quote of those PCR values, as a key with SHA-256 makes it."""
        mask = sum(1 << pcr for pcr in pcrs).to_bytes(3, "little")
        selection = (1).to_bytes(4) + bank.to_bytes(2) + b"\3" + mask
        digest = HashAlg.SHA256.digest(*(pcrs[pcr] for pcr in sorted(pcrs)))
        return cls(selection=selection, body=sized(digest))

    @classmethod
    def certify(cls, name: bytes) -> Self:
        """A certification of the key of that name."""
        return cls(kind=CERTIFY, body=sized(name) + sized(name))

    def message(self) -> bytes:
        """The marshalled TPMS_ATTEST."""
        head = self.magic.to_bytes(4) + self.kind.to_bytes(2)
        common = sized(b"\0\x0b" + bytes(32)) + sized(self.nonce) + self.clock
        return head + common + (9).to_bytes(8) + self.selection + self.body

    def but(self, **changes: object) -> Self:
        """This statement with some fields changed."""
        return replace(self, **changes)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class SoftAk:
    """An attestation key in memory. Test key: no TPM holds it."""

    private: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
    attributes: int = AK
    pss: bool = False

    @classmethod
    def new(cls, kind: str = "ecc", attributes: int = AK) -> Self:
        """A fresh key: ``ecc``, ``rsa`` or ``pss``."""
        if kind == "ecc":
            return cls(ec.generate_private_key(ec.SECP256R1()), attributes)
        return cls(rsa.generate_private_key(65537, 2048), attributes, kind == "pss")

    @property
    def public(self) -> bytes:
        """TPM2B_PUBLIC."""
        if isinstance(self.private, ec.EllipticCurvePrivateKey):
            return ecc_public(self.private.public_key(), self.attributes)
        scheme = RSAPSS256 if self.pss else RSASSA256
        return rsa_public(self.private.public_key(), self.attributes, scheme=scheme)

    @property
    def area(self) -> PublicArea:
        """The public area, parsed."""
        return PublicArea.from_bytes(self.public)

    def sign(self, message: bytes) -> bytes:
        """TPMT_SIGNATURE over a message."""
        if isinstance(self.private, ec.EllipticCurvePrivateKey):
            der = self.private.sign(message, ec.ECDSA(hashes.SHA256()))
            r, s = decode_dss_signature(der)
            pair = sized(r.to_bytes(32)) + sized(s.to_bytes(32))
            return bytes.fromhex(ECDSA256) + pair
        pad = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
        made = self.private.sign(
            message, pad if self.pss else padding.PKCS1v15(), hashes.SHA256()
        )
        return bytes.fromhex(RSAPSS256 if self.pss else RSASSA256) + sized(made)

    def quote(self, pcrs: dict[int, bytes], nonce: bytes) -> tuple[bytes, bytes, bytes]:
        """Message, signature and PCR blob of a good quote of the SHA-256 bank."""
        message = Statement.quote(pcrs).but(nonce=nonce).message()
        return message, self.sign(message), build_pcr_blob(HashAlg.SHA256, pcrs)

    def certify(self, name: bytes, nonce: bytes) -> tuple[bytes, bytes]:
        """Message and signature of a good certification."""
        message = Statement.certify(name).but(nonce=nonce).message()
        return message, self.sign(message)
