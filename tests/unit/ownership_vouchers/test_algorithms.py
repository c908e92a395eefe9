import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from ownership_vouchers.algorithms import Alg, SoftSigner, alg_for, permitted, verify
from ownership_vouchers.errors import SignatureError, UnsupportedKeyError
from tests.support.supply_chain import KINDS, new_key

EXPECTED = {
    "P-256": (Alg.ES256, 64),
    "P-384": (Alg.ES384, 96),
    "RSA-2048": (Alg.RS256, 256),
    "RSA-3072": (Alg.RS384, 384),
    "RSA-2048-PSS": (Alg.PS256, 256),
    "RSA-3072-PSS": (Alg.PS384, 384),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_key_signs_as_the_table_says(kind: str) -> None:
    signer = SoftSigner(new_key(kind), pss=kind.endswith("PSS"))
    signature = signer.sign(b"data")
    assert (signer.alg, len(signature)) == EXPECTED[kind]
    verify(signer.public_key, signer.alg, signature, b"data")
    with pytest.raises(SignatureError):
        verify(signer.public_key, signer.alg, signature, b"other data")


@pytest.mark.parametrize("kind", KINDS)
def test_no_other_algorithm_is_taken_on_the_peers_word(kind: str) -> None:
    key = new_key(kind)
    signature = SoftSigner(key).sign(b"data")
    for alg in set(Alg) - permitted(key.public_key()):
        with pytest.raises(SignatureError, match="not an algorithm of this key"):
            verify(key.public_key(), alg, signature, b"data")


@pytest.mark.parametrize("size", [0, 63, 65, 71, 96])
def test_an_ecdsa_signature_is_two_numbers_of_full_length(size: int) -> None:
    key = new_key("P-256").public_key()
    with pytest.raises(SignatureError, match=f"of {size} bytes"):
        verify(key, Alg.ES256, bytes(size), b"data")


def test_signatures_of_zero_do_not_verify() -> None:
    with pytest.raises(SignatureError):
        verify(new_key("P-256").public_key(), Alg.ES256, bytes(64), b"data")


def test_a_pkcs_signature_is_no_pss_signature() -> None:
    key = new_key("RSA-2048")
    signature = SoftSigner(key).sign(b"data")
    with pytest.raises(SignatureError):
        verify(key.public_key(), Alg.PS256, signature, b"data")


def test_keys_outside_fdo_have_no_algorithm() -> None:
    with pytest.raises(UnsupportedKeyError, match="secp521r1"):
        alg_for(ec.generate_private_key(ec.SECP521R1()).public_key())
    with pytest.raises(UnsupportedKeyError, match="1024 bits"):
        alg_for(new_key("RSA-1024").public_key())


def test_a_signer_does_not_show_its_key() -> None:
    assert repr(SoftSigner(new_key("P-256"))) == "SoftSigner(ES256)"
