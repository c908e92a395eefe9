"""Elliptic-curve Diffie-Hellman: what is sent, what is taken, what is refused."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from onboarding.protocol.errors import MessageRefused
from onboarding.protocol.kex import half_from_item
from onboarding.protocol.kex.ecdh import CURVES, EcdhHalf, EcdhParameter
from onboarding.wire.message import KexSuite
from ownership_vouchers import cbor
from ownership_vouchers.errors import MalformedError

SUITES = list(CURVES)


def half(suite: KexSuite) -> EcdhHalf:
    curve = CURVES[suite]
    return EcdhHalf.of(suite, ec.generate_private_key(curve.curve), bytes(curve.random))


@pytest.mark.parametrize("suite", SUITES)
def test_both_halves_come_to_the_same_secret(suite: KexSuite) -> None:
    owner, device = half(suite), half(suite)
    shared = owner.owner_shared(device.sent)
    assert shared == device.device_shared(owner.sent)
    assert shared.context == b""
    secret = shared.secret
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
    ours, theirs = half(suite), EcdhHalf.of(suite, starting_with_zero(suite), bytes(16))
    sent = theirs.sent
    assert sent[:3] == b"\x00\x20\x00"
    assert len(sent) == 86
    point = EcdhParameter.decode(sent, suite)
    short = b"".join(
        len(one).to_bytes(2, "big") + one
        for one in (point.x.lstrip(b"\0"), point.y, point.random)
    )
    assert len(short) < len(sent)
    assert ours.owner_shared(short) == ours.owner_shared(sent)


GOOD = half(KexSuite.ECDH256).sent
PARAMETERS = {
    "empty": b"",
    "one byte": GOOD[:1],
    "cut short": GOOD[:-1],
    "a byte too many": GOOD + b"\0",
    "point of the other curve": half(KexSuite.ECDH384).sent,
    "random of 15 bytes": GOOD[:68] + b"\x00\x0f" + bytes(15),
    "no x": b"\0\0" + GOOD[34:],
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_parameter_of_another_shape_is_malformed(name: str) -> None:
    with pytest.raises(MalformedError):
        half(KexSuite.ECDH256).owner_shared(PARAMETERS[name])


def test_a_point_off_the_curve_is_refused() -> None:
    off = GOOD[:40] + bytes([GOOD[40] ^ 1]) + GOOD[41:]
    with pytest.raises(MessageRefused, match="not on its curve"):
        half(KexSuite.ECDH256).owner_shared(off)


def test_halves_show_no_secret_in_their_repr() -> None:
    ours = half(KexSuite.ECDH256)
    assert "scalar" not in repr(ours)
    assert str(ours.scalar) not in repr(ours)
    assert "parameter" not in repr(ours)


@pytest.mark.parametrize("suite", SUITES)
def test_a_half_survives_its_bytes(suite: KexSuite) -> None:
    ours, theirs = half(suite), half(suite).sent
    again = half_from_item(cbor.decode(cbor.encode(ours.to_item())))
    assert again == ours
    assert again.owner_shared(theirs) == ours.owner_shared(theirs)
