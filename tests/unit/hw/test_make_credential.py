"""make_credential: shapes and refusals. That a TPM opens it is shown in tests/tpm."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from hw.errors import EvidenceError, HwError, StructureError
from hw.make_credential import make_credential
from hw.structures import TpmaObject
from tests.support.tpm_statements import (
    AES128,
    AK,
    EK,
    NULL,
    ecc_public,
    rsa_public,
)

NAME = b"\x00\x0b" + bytes(32)
SECRET = b"s" * 32
ECC = ec.generate_private_key(ec.SECP256R1()).public_key()
RSA = rsa.generate_private_key(65537, 2048).public_key()
ECC_EK = ecc_public(ECC, EK, symmetric=AES128, scheme=NULL)
RSA_EK = rsa_public(RSA, EK, symmetric=AES128, scheme=NULL)


@pytest.mark.parametrize("ek", [ECC_EK, RSA_EK], ids=["ecc", "rsa"])
def test_both_parts_are_sized_and_fresh_each_time(ek: bytes) -> None:
    first, second = (make_credential(ek, NAME, SECRET) for _ in range(2))
    for part in first:
        assert int.from_bytes(part[:2]) == len(part) - 2
    assert len(first[0]) == 2 + 2 + 32 + 2 + 32
    assert first[0] != second[0]
    assert first[1] != second[1]


def test_the_seed_of_an_rsa_ek_comes_from_the_given_source() -> None:
    asked: list[int] = []

    def random(size: int) -> bytes:
        asked.append(size)
        return bytes(size)

    make_credential(RSA_EK, NAME, SECRET, random)
    assert asked == [32]


BAD: dict[str, tuple[bytes, bytes, bytes, type[HwError]]] = {
    "no key": (b"", NAME, SECRET, StructureError),
    "an attestation key": (ecc_public(ECC, AK), NAME, SECRET, EvidenceError),
    "an EK that can leave": (
        ecc_public(ECC, EK & ~TpmaObject.FIXED_TPM, AES128, NULL),
        NAME,
        SECRET,
        EvidenceError,
    ),
    "an EK that decrypts anything": (
        ecc_public(ECC, EK & ~TpmaObject.RESTRICTED, AES128, NULL),
        NAME,
        SECRET,
        EvidenceError,
    ),
    "no name": (ECC_EK, b"", SECRET, EvidenceError),
    "a handle for a name": (ECC_EK, b"\x81\x02\x00\x02", SECRET, EvidenceError),
    "a SHA-1 name": (ECC_EK, b"\x00\x04" + bytes(20), SECRET, EvidenceError),
    "a name cut short": (ECC_EK, NAME[:-1], SECRET, EvidenceError),
    "an empty secret": (ECC_EK, NAME, b"", EvidenceError),
    "a secret too long": (ECC_EK, NAME, bytes(33), EvidenceError),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_prove_anything_is_refused(name: str) -> None:
    ek, ak_name, secret, error = BAD[name]
    with pytest.raises(error):
        make_credential(ek, ak_name, secret)
