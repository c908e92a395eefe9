"""IDevID and IAK: the keys by which a device's maker knows it, where it has them.

The maker certified a restricted signing key, the IAK (initial attestation key), and a
plain one, the IDevID, and left the certificates in NV. Both keys follow from the
endorsement seed and a standard template, so that they can be had again if they are not
persistent. Source: TCG, "TPM 2.0 Keys for Device Identity and Attestation" 1.00,
section 7.3 (templates H-1 to H-3, policies, handles, NV ranges).
"""

from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import (
    CertificatePublicKeyTypes,
)
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hw.algorithms import KeyAlg
from hw.errors import TpmError
from hw.evidence import AkAlg, AttestationKey, CertifiedKey, DeviceIdentity
from hw.public_area import PublicArea
from hw.tpm_nv import nv_read
from hw.tpm_primary import make_persistent, read_public
from hw.tss import (
    ESYS_TR,
    TPM2B_PUBLIC,
    TPM2B_SENSITIVE_CREATE,
    TPMA_OBJECT,
    TPMT_PUBLIC,
    Link,
)

_SPREAD = 8  # indices of a range that are looked at
_MAX_CHAIN = 4  # certificates in one index
_ATTRIBUTES = (
    TPMA_OBJECT.FIXEDTPM
    | TPMA_OBJECT.FIXEDPARENT
    | TPMA_OBJECT.SENSITIVEDATAORIGIN
    | TPMA_OBJECT.USERWITHAUTH
    | TPMA_OBJECT.ADMINWITHPOLICY
    | TPMA_OBJECT.SIGN_ENCRYPT
)


@dataclass(frozen=True, slots=True)
class Role:
    """One of the two keys; ``kinds`` are templates with their hash, as policies are."""

    what: str
    handle: int
    first_index: int
    unique: bytes
    attributes: int
    kinds: tuple[tuple[str, str], ...]
    policies: dict[str, bytes]


IDEVID = Role(
    "IDevID",
    0x81020000,
    0x01C90000,
    b"IDEVID",
    _ATTRIBUTES,
    (
        ("rsa2048:null:null", "sha256"),  # H-1
        ("ecc256:ecdsa-sha256:null", "sha256"),  # H-2
        ("ecc384:ecdsa-sha384:null", "sha384"),  # H-3
    ),
    {
        "sha256": bytes.fromhex(
            "ad6b3a2284fd698a0710bf5cc1b9bdf15e2532e3f601fa4b93a6a8fa8de579ea"
        ),
        "sha384": bytes.fromhex(
            "4db1aa836d0b5615df6ee53a40ef70c61c217f4303d446959259"
            "72bc927006cfa5cbdf6dc18c4dbe329b2f1542c3dd33"
        ),
    },
)
IAK = Role(
    "IAK",
    0x81020001,
    0x01C90100,
    b"IAK",
    _ATTRIBUTES | TPMA_OBJECT.RESTRICTED,
    (
        ("rsa2048:rsapss-sha256:null", "sha256"),  # H-1
        ("ecc256:ecdsa-sha256:null", "sha256"),  # H-2
        ("ecc384:ecdsa-sha384:null", "sha384"),  # H-3
    ),
    {
        "sha256": bytes.fromhex(
            "5437182326e414fca797d5f174615a1641f61255797c3a2b22c21d120b2d1e07"
        ),
        "sha384": bytes.fromhex(
            "129d94ebf8455665 2c6eef43bbb757512ac87e52be7b349c"
            "a6ce4d826f749fcf672f51716c5cbb605f313bf345aab312"
        ),
    },
)


def device_identity(link: Link) -> DeviceIdentity | None:
    """IAK and IDevID with their certificates; None where the maker left no IAK.

    Raises:
        TpmError: A certificate is there, but its key is not to be had.
    """
    iak = _certified(link, IAK)
    if iak is None:
        return None
    area = PublicArea.from_bytes(iak.public)
    alg: AkAlg = "rsa" if area.type is KeyAlg.RSA else "ecc"
    key = AttestationKey(iak.public, area.name, alg, IAK.handle)
    return DeviceIdentity(key, iak, _certified(link, IDEVID))


def derive(link: Link, role: Role, kind: str) -> bytes:
    """The TPM2B_PUBLIC that one of ``role.kinds`` has in this TPM; nothing is kept."""
    with link.use(f"derive {role.what}") as esys:
        handle, public, *_ = esys.create_primary(
            TPM2B_SENSITIVE_CREATE(), _template(role, kind), ESYS_TR.RH_ENDORSEMENT
        )
        esys.flush_context(handle)
        return bytes(public.marshal())


def _template(role: Role, kind: str) -> TPM2B_PUBLIC:
    (hashing,) = (one for name, one in role.kinds if name == kind)
    attributes = role.attributes
    area = TPMT_PUBLIC.parse(kind, objectAttributes=attributes, nameAlg=hashing)
    area.authPolicy = role.policies[hashing]
    if kind.startswith("ecc"):
        area.unique.ecc.x = area.unique.ecc.y = role.unique
    else:
        area.unique.rsa = role.unique
    return TPM2B_PUBLIC(publicArea=area)


def _certified(link: Link, role: Role) -> CertifiedKey | None:
    for index in range(role.first_index, role.first_index + _SPREAD):
        content = nv_read(link, index)
        if content is not None:
            return _held(link, role, _split(role, content))
    return None


def _held(link: Link, role: Role, chain: list[bytes]) -> CertifiedKey:
    """The key that one of these certificates is of, found or made again."""
    by_key = {_key_of(role, der): der for der in chain}

    def certified(public: bytes) -> CertifiedKey | None:
        leaf = by_key.get(_info(PublicArea.from_bytes(public).key))
        others = tuple(one for one in chain if one != leaf)
        return None if leaf is None else CertifiedKey(public, leaf, others)

    if link.handle(role.handle) is not None:
        found = certified(bytes(read_public(link, role.handle, role.what).marshal()))
        if found is not None:
            return found
    for kind, _ in role.kinds:
        found = certified(derive(link, role, kind))
        if found is not None:
            make_persistent(link, _template(role, kind), role.handle)
            return found
    raise TpmError(f"no key in this TPM is the one of its {role.what} certificate")


def _split(role: Role, content: bytes) -> list[bytes]:
    """DER certificates one after the other; what is no more of them is padding."""
    found: list[bytes] = []
    while content[:2] == b"\x30\x82" and len(found) < _MAX_CHAIN:
        size = 4 + int.from_bytes(content[2:4], "big")
        found.append(content[:size])
        content = content[size:]
    if not found:
        raise TpmError(f"the {role.what} certificate cannot be read")
    return found


def _key_of(role: Role, der: bytes) -> bytes:
    try:
        return _info(x509.load_der_x509_certificate(der).public_key())
    except ValueError as error:
        raise TpmError(f"the {role.what} certificate cannot be read") from error


def _info(key: CertificatePublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
