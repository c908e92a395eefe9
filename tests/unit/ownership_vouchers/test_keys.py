import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ownership_vouchers import cbor
from ownership_vouchers.cose_key import write_cose_key
from ownership_vouchers.errors import MalformedError, UnsupportedKeyError
from ownership_vouchers.keys import (
    KeyEncoding,
    KeyType,
    PublicKey,
    load_certificate,
    load_spki,
    spki,
    type_of,
)
from tests.support.supply_chain import KINDS, Party, certificate, new_key

GIVEN = json.loads((Path(__file__).parents[2] / "vectors/fdo/keys.json").read_text())[
    "keys"
]
FORMS = [
    (kind, encoding)
    for kind in KINDS
    for encoding in KeyEncoding
    if not (kind.startswith("RSA") and encoding is KeyEncoding.COSEKEY)
]


@pytest.mark.parametrize(("kind", "encoding"), FORMS)
def test_a_key_survives_the_wire_in_each_encoding(
    kind: str, encoding: KeyEncoding
) -> None:
    key = Party.found("somebody", kind, encoding).public_key
    again = PublicKey.from_cbor(key.raw)
    assert again == key
    assert again.same_key(PublicKey.of(key.key, pss=kind.endswith("PSS")))
    assert PublicKey.from_item(key.to_item()).raw == key.raw


@pytest.mark.parametrize("name", GIVEN)
def test_every_given_key_is_read(name: str) -> None:
    der = bytes.fromhex(GIVEN[name]["public_spki_der"])
    key = PublicKey.of(load_spki(der))
    assert key.spki == der
    for leaf_der in GIVEN[name].get("x5chain_der", [])[:1]:
        leaf = load_certificate(bytes.fromhex(leaf_der))
        chain = PublicKey.of(key.key, KeyEncoding.X5CHAIN, (leaf,))
        assert chain.same_key(key)
        assert chain.fingerprint() == key.fingerprint()


def test_types_are_told_by_curve_and_size() -> None:
    types = [type_of(new_key(k).public_key(), pss=k.endswith("PSS")) for k in KINDS]
    assert types == [
        KeyType.SECP256R1,
        KeyType.SECP384R1,
        KeyType.RSA2048RESTR,
        KeyType.RSAPKCS,
        KeyType.RSAPSS,
        KeyType.RSAPSS,
    ]


def test_a_key_can_be_written_as_another_type_that_fits() -> None:
    key = new_key("RSA-2048").public_key()
    assert PublicKey.of(key, key_type=KeyType.RSAPKCS).type is KeyType.RSAPKCS
    with pytest.raises(UnsupportedKeyError):
        PublicKey.of(key, key_type=KeyType.SECP256R1)


def test_an_exponent_fdo_does_not_know_has_no_type() -> None:
    key = rsa.generate_private_key(3, 2048).public_key()
    with pytest.raises(UnsupportedKeyError, match="exponent"):
        type_of(key)
    with pytest.raises(UnsupportedKeyError, match="exponent"):
        PublicKey.of(key, key_type=KeyType.RSAPKCS)


def test_another_key_is_another_key() -> None:
    one, other = (PublicKey.of(new_key("P-256").public_key()) for _ in range(2))
    assert not one.same_key(other)


def test_a_chain_must_be_the_keys_own() -> None:
    party = Party.found("somebody", "P-256", KeyEncoding.X509)
    other = new_key("P-256").public_key()
    for chain in ((), party.certificates):
        with pytest.raises(UnsupportedKeyError, match="own chain"):
            PublicKey.of(other, KeyEncoding.X5CHAIN, chain)


def test_an_rsa_key_is_not_written_as_cose_key() -> None:
    with pytest.raises(UnsupportedKeyError):
        PublicKey.of(new_key("RSA-2048").public_key(), KeyEncoding.COSEKEY)


EC = new_key("P-256").public_key()
ED = ed25519.Ed25519PrivateKey.generate().public_key()
ED_DER = ED.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
WEAK = new_key("RSA-1024").public_key()
P521 = ec.generate_private_key(ec.SECP521R1()).public_key()
COSE_KEY = write_cose_key(EC)
REFUSED: dict[str, object] = {
    "two items": [10, 1],
    "no array": b"x",
    "type 0": [0, 1, spki(EC)],
    "encoding 4": [10, 4, spki(EC)],
    "text as type": ["10", 1, spki(EC)],
    "not DER": [10, 1, b"\x30\x03x"],
    "DER and more": [10, 1, spki(EC) + b"x"],
    "over 2048 bytes": [10, 1, bytes(2049)],
    "Ed25519": [10, 1, ED_DER],
    "P-521": [11, 1, spki(P521)],
    "RSA of a size we do not take": [5, 1, spki(WEAK)],
    "EC key called RSA": [5, 1, spki(EC)],
    "chain of text": [10, 2, ["x"]],
    "chain of no certificate": [10, 2, [b"x"]],
    "chain of 11": [10, 2, [b"x"] * 11],
    "chain wrapped twice": [10, 2, cbor.encode(b"x")],
    "COSE key of another curve": [10, 3, {1: 2, -1: 2, -2: bytes(32), -3: bytes(32)}],
    "COSE key of another kty": [10, 3, {1: 3, -1: 1, -2: bytes(32), -3: bytes(32)}],
    "COSE key with a fifth field": [10, 3, {1: 2, -1: 1, -2: b"", -3: b"", 3: -7}],
    "COSE key with long x": [10, 3, {1: 2, -1: 1, -2: bytes(33), -3: bytes(32)}],
    "COSE key at infinity": [10, 3, {1: 2, -1: 1, -2: b"", -3: b""}],
    "COSE key whose curve is true": [10, 3, {**COSE_KEY, -1: True}],
    "COSE key whose kty is 2.0": [10, 3, {**COSE_KEY, 1: 2.0}],
    "RSA key as COSE key": [1, 3, {1: 2, -1: 1, -2: b"", -3: b""}],
}


@pytest.mark.parametrize("item", REFUSED.values(), ids=REFUSED)
def test_what_is_no_key_of_fdo_is_refused(item: object) -> None:
    with pytest.raises((MalformedError, UnsupportedKeyError)):
        PublicKey.from_cbor(cbor.encode(item))


CERTIFICATE_REFUSED = {"version 7": (2, 6), "serial number below zero": (5, 0x80)}


@pytest.mark.parametrize(
    ("offset", "value"), CERTIFICATE_REFUSED.values(), ids=CERTIFICATE_REFUSED
)
def test_a_certificate_nobody_may_issue_is_malformed(offset: int, value: int) -> None:
    party = Party.found("somebody", "P-256", KeyEncoding.X509)
    der = bytearray(party.certificates[0].public_bytes(Encoding.DER))
    start = der.index(bytes.fromhex("020102"))  # the version; the serial comes next
    load_certificate(bytes(der))  # passes unaltered
    der[start + offset] = value
    with pytest.raises(MalformedError):
        load_certificate(bytes(der))


def test_a_certificate_with_a_name_that_is_no_text_is_malformed() -> None:
    key = new_key("P-256")
    der = certificate("\0x", key, "ca", key, ca=False).public_bytes(Encoding.DER)
    load_certificate(der)  # passes unaltered
    with pytest.raises(MalformedError):
        load_certificate(der.replace(b"\x0c\x02\0x", b"\x03\x02\0x"))


@pytest.mark.parametrize("kind", ["P-256", "P-384"])
def test_a_cose_key_can_be_written_without_saying_its_kind(kind: str) -> None:
    key = PublicKey.of(new_key(kind).public_key(), KeyEncoding.COSEKEY)
    bare = key.without_kty()
    assert (key.bare, bare.bare) == (False, True)
    _, _, body = cbor.array(cbor.decode(bare.raw), 3)
    assert list(cbor.mapping(body)) == [-1, -2, -3]
    again = PublicKey.from_cbor(bare.raw)
    assert again == bare
    assert again.same_key(key)


def test_a_key_in_another_encoding_has_no_bare_form() -> None:
    key = PublicKey.of(new_key("P-256").public_key())
    assert key.without_kty() is key
    assert not key.bare
