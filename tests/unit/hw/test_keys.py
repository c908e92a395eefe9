"""Soft keys: the shapes that the protocols rely on."""

import hashlib
import hmac

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from hw.errors import HwError
from hw.keys import DeviceKey, HmacKey, SoftHmac, SoftKey, alg_of, new_soft_key
from hw.signature import raw_ecdsa, raw_pair


@pytest.mark.parametrize(
    ("curve", "alg", "size", "hashing"),
    [("P-256", -7, 64, hashes.SHA256()), ("P-384", -35, 96, hashes.SHA384())],
)
def test_a_soft_key_signs_raw_over_its_curves_hash(
    curve: str, alg: int, size: int, hashing: hashes.HashAlgorithm
) -> None:
    key: DeviceKey = new_soft_key(curve)
    signature = key.sign(b"data")
    assert (key.alg, len(signature)) == (alg, size)
    r, s = signature[: size // 2], signature[size // 2 :]
    der = encode_dss_signature(int.from_bytes(r), int.from_bytes(s))
    key.public_key.verify(der, b"data", ec.ECDSA(hashing))


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
    with pytest.raises(HwError, match="secp521r1"):
        alg_of(ec.SECP521R1())
    with pytest.raises(HwError, match="neither 5 nor 6"):
        SoftHmac(b"secret", 7).mac(b"data")


def test_no_secret_shows_in_a_repr() -> None:
    assert repr(SoftHmac(b"secret")) == "SoftHmac(hash_type=5)"
    assert repr(SoftKey(ec.generate_private_key(ec.SECP256R1()))) == "SoftKey()"
