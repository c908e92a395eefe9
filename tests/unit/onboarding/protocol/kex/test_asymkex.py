"""Key exchange by encryption to the owner: what is taken and what is refused."""

import secrets
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from onboarding.protocol.errors import MessageRefused, Unsupported
from onboarding.protocol.kex import Draw, Shared
from onboarding.protocol.kex.asymkex import RANDOM, AsymkexHalf, answer_asymkex
from onboarding.wire.message import KexSuite
from ownership_vouchers.algorithms import OAEP, SoftSigner
from ownership_vouchers.errors import DecryptError, MalformedError
from tests.support.supply_chain import new_key

SUITE = KexSuite.ASYMKEX2048
KEY = new_key("RSA-2048")
OWNER = SoftSigner(KEY)
HALF = AsymkexHalf(SUITE, bytes(range(32)))
SHA1 = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)  # noqa: S303 - to be refused
LABELLED = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), b"label")


def encrypted(secret: bytes, how: padding.AsymmetricPadding = OAEP) -> bytes:
    key = KEY.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    return key.encrypt(secret, how)


def test_the_device_random_is_the_secret_and_the_owner_random_its_context() -> None:
    secret = secrets.token_bytes(32)
    shared = HALF.owner_shared(encrypted(secret), OWNER.decrypter)
    assert shared == Shared(secret, HALF.random)


def other_owner() -> bytes:
    key = new_key("RSA-2048", "other").public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    return key.encrypt(bytes(32), OAEP)


REFUSED: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "cut short": lambda: encrypted(bytes(32))[:-1],
    "of another key": other_owner,
    "altered": lambda: bytes([encrypted(bytes(32))[0] ^ 1]) + encrypted(bytes(32))[1:],
    "above the modulus": lambda: b"\xff" * 256,
    "a random of 31 bytes": lambda: encrypted(bytes(31)),
    "a random of 33 bytes": lambda: encrypted(bytes(33)),
    "no random": lambda: encrypted(b""),
    "SHA-1": lambda: encrypted(bytes(32), SHA1),
    "a label": lambda: encrypted(bytes(32), LABELLED),
    "PKCS #1 v1.5": lambda: encrypted(bytes(32), padding.PKCS1v15()),
}


@pytest.mark.parametrize("name", REFUSED)
def test_all_that_does_not_decrypt_is_refused_in_the_same_words(name: str) -> None:
    with pytest.raises(MessageRefused) as refused:
        HALF.owner_shared(REFUSED[name](), OWNER.decrypter)
    assert str(refused.value) == "the device's random does not decrypt"


def test_a_run_whose_key_does_not_decrypt_any_more_is_refused() -> None:
    with pytest.raises(Unsupported):
        HALF.owner_shared(encrypted(bytes(32)), None)


@pytest.mark.parametrize("suite", RANDOM)
@pytest.mark.parametrize("wrong", [-1, 1])
def test_a_device_takes_an_owner_random_of_the_agreed_length_only(
    suite: KexSuite, wrong: int
) -> None:
    key = new_key("RSA-3072" if RANDOM[suite] == 96 else "RSA-2048").public_key()
    with pytest.raises(MalformedError):
        answer_asymkex(
            suite, bytes(RANDOM[suite] + wrong), key, Draw(secrets.token_bytes)
        )


def test_an_elliptic_curve_key_neither_encrypts_nor_decrypts() -> None:
    key = new_key("P-256")
    assert SoftSigner(key).decrypter is None
    with pytest.raises(Unsupported):
        answer_asymkex(SUITE, bytes(32), key.public_key(), Draw(secrets.token_bytes))


def test_a_decrypter_says_only_that_it_failed() -> None:
    decrypter = OWNER.decrypter
    assert decrypter is not None
    with pytest.raises(DecryptError, match="not encrypted to this key"):
        decrypter.decrypt(bytes(256))
