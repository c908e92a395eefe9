"""TPM2_MakeCredential without a TPM: encrypt a secret to an EK *and* a key's name.

Only the TPM that holds the EK's private half and a key of exactly that name gives the
secret back (TPM2_ActivateCredential): this is what ties an AK to an EK.
Source: TPM 2.0 Library, part 1, sections 24 and 11.4.10; annexes B.10.4 and C.6.4.
"""

import secrets
from collections.abc import Callable

from cryptography.hazmat.decrepit.ciphers.modes import CFB
from cryptography.hazmat.primitives import hmac
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from cryptography.hazmat.primitives.kdf.concatkdf import ConcatKDFHash
from cryptography.hazmat.primitives.kdf.kbkdf import KBKDFHMAC, CounterLocation, Mode

from hw.algorithms import HashAlg
from hw.errors import EvidenceError
from hw.public_area import PublicArea

_LABEL = b"IDENTITY\0"


def make_credential(
    ek_public: bytes,
    ak_name: bytes,
    secret: bytes,
    random: Callable[[int], bytes] = secrets.token_bytes,
) -> tuple[bytes, bytes]:
    """Encrypt ``secret`` so that only the TPM with both keys can read it.

    Args:
        ek_public: TPM2B_PUBLIC of the endorsement key: RSA, or ECC on P-256 or P-384.
        ak_name: Name of the key that must be loaded beside it.
        secret: At most one digest of the EK's name algorithm, 32 bytes for SHA-256.
        random: Source of the seed for an RSA EK. OAEP's own padding and the ephemeral
            key for an ECC EK always come from the cryptographic library.

    Returns:
        TPM2B_ID_OBJECT and TPM2B_ENCRYPTED_SECRET, marshalled.

    Raises:
        StructureError: ``ek_public`` is not a public area that we accept.
        EvidenceError: It is no endorsement key, or name or secret do not fit.
    """
    ek = PublicArea.from_bytes(ek_public)
    cipher = ek.require_endorsement_key()
    _check_name(ak_name)
    if not 0 < len(secret) <= ek.name_alg.size:
        raise EvidenceError(f"a secret of {len(secret)} bytes does not fit the EK")
    seed, encrypted_seed = _seed(ek, random)
    key = _kdfa(ek.name_alg, seed, b"STORAGE", ak_name, cipher.bits // 8)
    encryptor = Cipher(algorithms.AES(key), CFB(bytes(16))).encryptor()
    identity = encryptor.update(_sized(secret)) + encryptor.finalize()
    mac_key = _kdfa(ek.name_alg, seed, b"INTEGRITY", b"", ek.name_alg.size)
    mac = hmac.HMAC(mac_key, ek.name_alg.algorithm)
    mac.update(identity + ak_name)
    return _sized(_sized(mac.finalize()) + identity), _sized(encrypted_seed)


def _check_name(name: bytes) -> None:
    try:
        alg = HashAlg(int.from_bytes(name[:2], "big"))
    except ValueError as error:
        raise EvidenceError("not the name of a key: unknown hash") from error
    if len(name) != 2 + alg.size:
        raise EvidenceError(f"not the name of a key: {len(name)} bytes")


def _seed(ek: PublicArea, random: Callable[[int], bytes]) -> tuple[bytes, bytes]:
    """A fresh seed, and how the TPM gets it: RSA-OAEP, or an ephemeral ECDH point."""
    if isinstance(ek.key, rsa.RSAPublicKey):
        seed = random(ek.name_alg.size)
        mgf = padding.MGF1(ek.name_alg.algorithm)
        oaep = padding.OAEP(mgf, ek.name_alg.algorithm, _LABEL)
        return seed, ek.key.encrypt(seed, oaep)
    ephemeral = ec.generate_private_key(ek.key.curve)
    shared = ephemeral.exchange(ec.ECDH(), ek.key)
    size = len(shared)
    ours, theirs = ephemeral.public_key().public_numbers(), ek.key.public_numbers()
    info = _LABEL + ours.x.to_bytes(size, "big") + theirs.x.to_bytes(size, "big")
    # KDFe is the concatenation KDF of SP 800-56A with this other-info.
    kdf = ConcatKDFHash(ek.name_alg.algorithm, ek.name_alg.size, info)
    point = _sized(ours.x.to_bytes(size, "big")) + _sized(ours.y.to_bytes(size, "big"))
    return kdf.derive(shared), point


def _kdfa(alg: HashAlg, key: bytes, label: bytes, context: bytes, size: int) -> bytes:
    """KDFa, part 1 section 11.4.10.2: SP 800-108 in counter mode over HMAC."""
    return KBKDFHMAC(
        algorithm=alg.algorithm,
        mode=Mode.CounterMode,
        length=size,
        rlen=4,
        llen=4,
        location=CounterLocation.BeforeFixed,
        label=label,
        context=context,
        fixed=None,
    ).derive(key)


def _sized(data: bytes) -> bytes:
    return len(data).to_bytes(2, "big") + data
