"""Encrypt-then-MAC: nothing is decrypted, or even read, before the MAC has verified."""

import hmac
import secrets
from collections.abc import Callable

import pytest
from cbor2 import CBORTag

from ownership_vouchers import cbor
from ownership_vouchers.errors import DecryptError, MalformedError
from ownership_vouchers.mac0 import Mac0, MacSuite, mac0

CBC = [one for one in MacSuite if one.chained]


def key_of(suite: MacSuite) -> bytes:
    return bytes(range(suite.key_size))


def signed(suite: MacSuite, payload: object) -> Mac0:
    """Authenticate whatever stands where the Encrypt0 belongs, as our peer could."""
    raw = payload if isinstance(payload, bytes) else cbor.encode(payload)
    data = cbor.encode(["MAC0", suite.protected, b"", raw])
    svk = key_of(suite)[suite.encryption_key_size :]
    tag = hmac.digest(svk, data, suite.mac_type.digest_name)
    return Mac0(suite.protected, raw, tag)


@pytest.mark.parametrize("suite", MacSuite)
def test_what_is_written_is_read_after_the_wire(suite: MacSuite) -> None:
    sealed = mac0(suite, key_of(suite), secrets.token_bytes(16), b"plain")
    wire = sealed.encode()
    again = Mac0.from_cbor(wire)
    assert again == sealed
    assert again.encode() == wire
    assert again.open(suite, key_of(suite)) == b"plain"
    assert again == signed(suite, sealed.payload)


@pytest.mark.parametrize("suite", CBC)
def test_a_whole_block_is_padded_by_another(suite: MacSuite) -> None:
    sealed = mac0(suite, key_of(suite), bytes(16), bytes(16))
    _, _, ciphertext = cbor.array(cbor.decode(sealed.payload), 3)
    assert len(cbor.bstr(ciphertext)) == 32
    assert sealed.open(suite, key_of(suite)) == bytes(16)


BEFORE: dict[str, Callable[[Mac0], Mac0]] = {
    "tag altered": lambda one: Mac0(one.protected, one.payload, one.tag[::-1]),
    "tag cut": lambda one: Mac0(one.protected, one.payload, one.tag[:16]),
    "no tag": lambda one: Mac0(one.protected, one.payload, b""),
    "payload that is nothing": lambda one: Mac0(one.protected, b"", one.tag),
    "payload that is no CBOR": lambda one: Mac0(one.protected, b"\xff", one.tag),
    "payload longer": lambda one: Mac0(one.protected, one.payload + b"\0", one.tag),
    "no algorithm": lambda one: Mac0(b"", one.payload, one.tag),
    "algorithm of a hash": lambda one: Mac0(
        cbor.encode({1: -16}), one.payload, one.tag
    ),
}


@pytest.mark.parametrize("suite", MacSuite)
@pytest.mark.parametrize("name", BEFORE)
def test_nothing_is_read_before_the_mac_has_verified(
    suite: MacSuite, name: str
) -> None:
    good = mac0(suite, key_of(suite), bytes(16), b"plain")
    with pytest.raises(DecryptError):
        BEFORE[name](good).open(suite, key_of(suite))


AFTER: dict[str, Callable[[MacSuite], object]] = {
    "no array": lambda _: {},
    "two parts": lambda suite: [b"", {1: suite.inner_alg, 5: bytes(16)}],
    "protected algorithm": lambda suite: [
        cbor.encode({1: suite.inner_alg}),
        {5: bytes(16)},
        bytes(16),
    ],
    "no IV": lambda suite: [b"", {1: suite.inner_alg, 6: bytes(16)}, bytes(16)],
    "IV of 12 bytes": lambda suite: [b"", {1: suite.inner_alg, 5: bytes(12)}, b""],
    "another algorithm": lambda _: [b"", {1: 1, 5: bytes(16)}, bytes(16)],
    "a third header": lambda suite: [
        b"",
        {1: suite.inner_alg, 5: bytes(16), 6: 0},
        bytes(16),
    ],
    "ciphertext in text": lambda suite: [
        b"",
        {1: suite.inner_alg, 5: bytes(16)},
        "text",
    ],
    "something after it": lambda suite: (
        cbor.encode([b"", {1: suite.inner_alg, 5: bytes(16)}, b""]) + b"\0"
    ),
}


@pytest.mark.parametrize("suite", MacSuite)
@pytest.mark.parametrize("name", AFTER)
def test_what_is_authentic_must_be_an_encrypt0_too(suite: MacSuite, name: str) -> None:
    with pytest.raises((DecryptError, MalformedError)):
        signed(suite, AFTER[name](suite)).open(suite, key_of(suite))


@pytest.mark.parametrize("suite", CBC)
@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 32])
def test_wrong_padding_is_refused_in_the_words_of_a_wrong_mac(
    suite: MacSuite, size: int
) -> None:
    headers = {1: suite.inner_alg, 5: bytes(16)}
    with pytest.raises(DecryptError) as refused:
        signed(suite, [b"", headers, bytes(size)]).open(suite, key_of(suite))
    assert str(refused.value) == "the message does not decrypt"


SHAPES: dict[str, object] = {
    "three parts": [b"", {}, b""],
    "open header with something in it": [b"", {5: b""}, b"", b""],
    "open header as array": [b"", [], b"", b""],
    "payload as map": [b"", {}, {}, b""],
    "tag over 48 bytes": [b"", {}, b"", bytes(49)],
    "protected header over 16 bytes": [bytes(17), {}, b"", b""],
    "tag of an Encrypt0": CBORTag(16, [b"", {}, b"", b""]),
}


@pytest.mark.parametrize("name", SHAPES)
def test_another_shape_is_no_mac0(name: str) -> None:
    with pytest.raises(MalformedError):
        Mac0.from_cbor(cbor.encode(SHAPES[name]))
