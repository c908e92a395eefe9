"""Soft keys: the shapes that the protocols rely on."""

import hashlib
import hmac

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from hw.errors import HwError
from hw.keys import DeviceKey, HmacKey, SoftHmac, SoftKey, alg_of, new_soft_key
from hw.signature import raw_ecdsa, raw_pair
from ownership_vouchers.algorithms import Alg, verify


@pytest.mark.parametrize(
    ("kind", "alg", "size"),
    [
        ("P-256", -7, 64),
        ("P-384", -35, 96),
        ("RSA-2048", -257, 256),
        ("RSA-3072", -258, 384),
        ("RSA-2048-PSS", -37, 256),
        ("RSA-3072-PSS", -38, 384),
    ],
)
def test_a_soft_key_signs_as_cose_wants_it(kind: str, alg: int, size: int) -> None:
    key: DeviceKey = new_soft_key(kind)
    signature = key.sign(b"data")
    assert (key.alg, len(signature)) == (alg, size)
    verify(key.public_key, Alg(alg), signature, b"data")


@pytest.mark.parametrize(
    ("hash_type", "name", "size"), [(5, "sha256", 32), (6, "sha384", 48)]
)
def test_a_soft_hmac_is_the_hmac_of_its_type(
    hash_type: int, name: str, size: int
) -> None:
    key: HmacKey = SoftHmac(b"secret", hash_type)
    assert key.mac(b"data") == hmac.digest(b"secret", b"data", name)
    assert len(key.mac(b"")) == size == hashlib.new(name).digest_size


def test_small_numbers_fill_their_half_of_a_raw_signature() -> None:
    assert raw_pair(1, 256, 4) == bytes([0, 0, 0, 1, 0, 0, 1, 0])
    der = encode_dss_signature(1, 256)
    assert raw_ecdsa(der, 4) == raw_pair(1, 256, 4)


def test_other_curves_and_types_are_refused() -> None:
    with pytest.raises(HwError, match="P-521"):
        new_soft_key("P-521")
    with pytest.raises(HwError, match="RSA-4096"):
        new_soft_key("RSA-4096")
    with pytest.raises(HwError, match="P-256-PSS"):
        new_soft_key("P-256-PSS")
    with pytest.raises(HwError, match="not 4096 bits"):
        alg_of(rsa.generate_private_key(65537, 4096).public_key())
    with pytest.raises(HwError, match="secp521r1"):
        alg_of(ec.generate_private_key(ec.SECP521R1()).public_key())
    with pytest.raises(HwError, match="neither 5 nor 6"):
        SoftHmac(b"secret", 7).mac(b"data")


def test_no_secret_shows_in_a_repr() -> None:
    assert repr(SoftHmac(b"secret")) == "SoftHmac(hash_type=5)"
    assert (
        repr(SoftKey(ec.generate_private_key(ec.SECP256R1()))) == "SoftKey(pss=False)"
    )
