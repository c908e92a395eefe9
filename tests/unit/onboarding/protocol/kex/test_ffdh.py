"""Finite-field Diffie-Hellman: what is sent, what is taken, what is refused."""

import warnings

import pytest

from onboarding.protocol.errors import MessageRefused
from onboarding.protocol.kex.ffdh import FfdhHalf
from onboarding.protocol.kex.group import GROUPS, new_dh_key
from onboarding.wire.message import KexSuite
from ownership_vouchers.errors import MalformedError

SUITES = list(GROUPS)
SIZES = {KexSuite.DHKEXID14: 256, KexSuite.DHKEXID15: 384}


def half(suite: KexSuite) -> FfdhHalf:
    return FfdhHalf.of(suite, new_dh_key(GROUPS[suite].parameters))


def power(suite: KexSuite, exponent: int) -> FfdhHalf:
    return FfdhHalf(suite, exponent, pow(2, exponent, GROUPS[suite].prime))


@pytest.mark.parametrize("suite", SUITES)
def test_the_groups_are_those_of_rfc_3526(suite: KexSuite) -> None:
    bits = 8 * SIZES[suite]
    prime = GROUPS[suite].prime
    assert prime.bit_length() == bits
    assert prime % 8 == 7  # so that 2 generates the subgroup of order (p - 1) / 2
    assert prime >> (bits - 64) == prime & (2**64 - 1) == 2**64 - 1
    assert pow(2, (prime - 1) // 2, prime) == 1
    assert pow(3, prime - 1, prime) == 1


@pytest.mark.parametrize("suite", SUITES)
def test_both_halves_come_to_the_same_at_full_length(suite: KexSuite) -> None:
    ours, theirs = half(suite), half(suite)
    assert len(ours.sent) == len(theirs.sent) == SIZES[suite]
    shared = ours.shared(theirs.sent)
    assert shared == theirs.shared(ours.sent)
    assert len(shared.secret) == SIZES[suite]
    assert shared.secret == pow(
        theirs.public, ours.exponent, GROUPS[suite].prime
    ).to_bytes(SIZES[suite], "big")


@pytest.mark.parametrize("suite", SUITES)
def test_a_secret_with_leading_zeros_keeps_them(suite: KexSuite) -> None:
    ours, theirs = power(suite, 3), power(suite, 5)
    assert ours.shared(theirs.sent).secret == (2**15).to_bytes(SIZES[suite], "big")


@pytest.mark.parametrize("suite", SUITES)
def test_a_value_is_sent_at_full_length_and_taken_at_any(suite: KexSuite) -> None:
    ours, theirs = half(suite), power(suite, 200)
    assert len(theirs.sent) == SIZES[suite]
    secret = ours.shared(theirs.sent)
    assert ours.shared(theirs.sent.lstrip(b"\0")) == secret
    assert ours.shared(b"\0" + theirs.sent) == secret


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("name", ["0", "1", "p - 1", "p", "p + 1"])
def test_a_value_that_gives_the_secret_away_is_refused(
    suite: KexSuite, name: str
) -> None:
    p = GROUPS[suite].prime
    number = {"0": 0, "1": 1, "p - 1": p - 1, "p": p, "p + 1": p + 1}[name]
    with pytest.raises(MessageRefused, match="out of range"):
        half(suite).shared(number.to_bytes(SIZES[suite], "big"))


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("extra", [2, 100])
def test_a_value_of_another_length_is_malformed(suite: KexSuite, extra: int) -> None:
    with pytest.raises(MalformedError):
        half(suite).shared(bytes(SIZES[suite] + extra))
    with pytest.raises(MalformedError):
        half(suite).shared(b"")


@pytest.mark.parametrize("suite", SUITES)
def test_an_exchange_warns_of_nothing(suite: KexSuite) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        half(suite).shared(half(suite).sent)
