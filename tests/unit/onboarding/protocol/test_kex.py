"""Key exchange and key derivation, held against recorded values."""

import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from onboarding.protocol.errors import MessageRefused, Unsupported
from onboarding.protocol.kdf import derive
from onboarding.protocol.kex import (
    CURVES,
    KexHalf,
    KexParameter,
    cipher_for,
    session_key,
    suite_for,
)
from onboarding.wire.message import KexSuite, MsgType
from onboarding.wire.to2 import ProveDevice, ProveOvHdr
from ownership_vouchers import cbor
from ownership_vouchers.cose import Aead
from ownership_vouchers.errors import MalformedError
from ownership_vouchers.keys import KeyEncoding
from tests.support.supply_chain import Party
from tests.support.transcripts import CTR256, EC384, FSIMS, VECTORS, Transcript

KDF = json.loads((VECTORS / "kdf.json").read_text())


def half(suite: KexSuite) -> KexHalf:
    curve = CURVES[suite]
    return KexHalf.of(suite, ec.generate_private_key(curve.curve), bytes(curve.random))


@pytest.mark.parametrize(
    ("name", "prf", "bits"),
    [(FSIMS, "sha256", 128), (EC384, "sha256", 256), (CTR256, "sha384", 512)],
)
def test_both_sides_agree_on_the_recorded_secret(
    name: str, prf: str, bits: int
) -> None:
    record = Transcript(name)
    theirs = ProveDevice.from_cbor(record.one(MsgType.TO2_PROVE_DEVICE).wire).kex
    ours = ProveOvHdr.from_cbor(record.one(MsgType.TO2_PROVE_OV_HDR).wire).payload.kex
    halves = {}
    for side, parameter in (("owner", ours), ("device", theirs)):
        random = KexParameter.decode(parameter, record.suite).random
        halves[side] = KexHalf.of(record.suite, record.kex_key(side)(None), random)
        assert halves[side].parameter.encode() == parameter
    secret = record.session("shared_secret")
    assert halves["owner"].owner_secret(theirs) == secret
    assert halves["device"].device_secret(ours) == secret
    keys = record.session("sek") + record.session("svk")
    assert derive(secret, b"", bits, prf) == keys


@pytest.mark.parametrize("vector", KDF["vectors"], ids=lambda one: str(one["bits"]))
def test_derived_keys_are_the_recorded_ones(vector: dict[str, str]) -> None:
    prf = vector["prf"].lower().replace("hmac-", "").replace("-", "")
    shared, context = (
        bytes.fromhex(vector["shse"]),
        bytes.fromhex(vector["context_rand"]),
    )
    derived = derive(shared, context, int(vector["bits"]), prf)
    assert derived.hex() == vector["okm"]


@pytest.mark.parametrize("suite", list(KexSuite))
def test_both_halves_come_to_the_same_secret(suite: KexSuite) -> None:
    owner, device = half(suite), half(suite)
    secret = owner.owner_secret(device.parameter.encode())
    assert secret == device.device_secret(owner.parameter.encode())
    assert len(secret) == CURVES[suite].size + 2 * CURVES[suite].random


def starting_with_zero(suite: KexSuite) -> ec.EllipticCurvePrivateKey:
    """Find a key whose x-coordinate has a leading zero byte."""
    size = CURVES[suite].size
    while True:
        key = ec.generate_private_key(CURVES[suite].curve)
        if key.public_key().public_numbers().x >> (8 * (size - 1)) == 0:
            return key


def test_coordinates_are_sent_at_full_length_and_taken_shorter() -> None:
    suite = KexSuite.ECDH256
    ours, theirs = half(suite), KexHalf.of(suite, starting_with_zero(suite), bytes(16))
    sent = theirs.parameter.encode()
    assert sent[:3] == b"\x00\x20\x00"
    assert len(sent) == 86
    point = KexParameter.decode(sent, suite)
    short = b"".join(
        len(one).to_bytes(2, "big") + one
        for one in (point.x.lstrip(b"\0"), point.y, point.random)
    )
    assert len(short) < len(sent)
    assert ours.owner_secret(short) == ours.owner_secret(sent)


GOOD = half(KexSuite.ECDH256).parameter.encode()
PARAMETERS = {
    "empty": b"",
    "one byte": GOOD[:1],
    "cut short": GOOD[:-1],
    "a byte too many": GOOD + b"\0",
    "point of the other curve": half(KexSuite.ECDH384).parameter.encode(),
    "random of 15 bytes": GOOD[:68] + b"\x00\x0f" + bytes(15),
    "no x": b"\0\0" + GOOD[34:],
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_parameter_of_another_shape_is_malformed(name: str) -> None:
    with pytest.raises(MalformedError):
        half(KexSuite.ECDH256).owner_secret(PARAMETERS[name])


def test_a_point_off_the_curve_is_refused() -> None:
    off = GOOD[:40] + bytes([GOOD[40] ^ 1]) + GOOD[41:]
    with pytest.raises(MessageRefused, match="not on its curve"):
        half(KexSuite.ECDH256).owner_secret(off)


@pytest.mark.parametrize(("cipher", "size"), [(Aead.A128GCM, 16), (Aead.A256GCM, 32)])
def test_a_session_key_has_the_size_of_its_cipher(cipher: Aead, size: int) -> None:
    assert len(session_key(cipher, b"secret")) == size


@pytest.mark.parametrize("kind", ["P-256", "P-384", "RSA-2048"])
@pytest.mark.parametrize(
    "name", ["ECDH256", "ECDH384", "DHKEXid14", "ASYMKEX2048", "", "ecdh256"]
)
def test_the_owner_key_decides_the_suite(kind: str, name: str) -> None:
    owner = Party.found("owner", kind, KeyEncoding.X509).public_key
    fits = {"P-256": "ECDH256", "P-384": "ECDH384"}.get(kind)
    if name == fits:
        assert suite_for(name, owner) == name
        return
    with pytest.raises(Unsupported):
        suite_for(name, owner)


@pytest.mark.parametrize("number", [0, 2, 10, 30, 32, -17760703, -17760706, 1 << 40])
def test_ciphers_that_we_do_not_speak_are_refused(number: int) -> None:
    with pytest.raises(Unsupported):
        cipher_for(number)


def test_halves_show_no_secret_in_their_repr() -> None:
    ours = half(KexSuite.ECDH256)
    assert "scalar" not in repr(ours)
    assert str(ours.scalar) not in repr(ours)
    assert "parameter" not in repr(ours)


@pytest.mark.parametrize("suite", list(KexSuite))
def test_a_half_survives_its_bytes(suite: KexSuite) -> None:
    ours, theirs = half(suite), half(suite).parameter.encode()
    again = KexHalf.from_item(cbor.decode(cbor.encode(ours.to_item())))
    assert again == ours
    assert again.owner_secret(theirs) == ours.owner_secret(theirs)
