"""Which suite goes with which owner, and both sides held against recorded runs."""

import secrets

import pytest

from onboarding.protocol.ciphers import (
    AEADS,
    EVERY,
    cipher_for,
    default_cipher,
    known_cipher,
)
from onboarding.protocol.errors import MessageRefused, Unsupported
from onboarding.protocol.kex import (
    Draw,
    Shared,
    answer,
    half_from_item,
    new_half,
    session_key,
    suite_for,
    suites_of,
)
from onboarding.protocol.to2_device import default_kex
from onboarding.wire.message import KexSuite
from ownership_vouchers import cbor
from ownership_vouchers.algorithms import SoftSigner
from ownership_vouchers.encrypt0 import Aead
from ownership_vouchers.errors import MalformedError
from ownership_vouchers.mac0 import MacSuite
from tests.support import transcripts
from tests.support.supply_chain import KINDS, new_key
from tests.support.transcripts import Drawn, Transcript

FITTING = {
    "P-256": ("ECDH256",),
    "P-384": ("ECDH384",),
    "RSA-2048": ("DHKEXid14", "ASYMKEX2048"),
    "RSA-3072": ("DHKEXid15", "ASYMKEX3072"),
}
OWNERS = {
    KexSuite(name): SoftSigner(new_key(kind))
    for kind, names in FITTING.items()
    for name in names
}
DRAW = Draw(secrets.token_bytes)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", [*KexSuite, "", "ecdh256", "DHKEXid16", "ASYMKEX"])
def test_the_owner_key_decides_the_suite(kind: str, name: str) -> None:
    owner = new_key(kind).public_key()
    if name in FITTING[kind.removesuffix("-PSS")]:
        assert suite_for(name, owner) == name
        return
    with pytest.raises(Unsupported):
        suite_for(name, owner)


@pytest.mark.parametrize("suite", KexSuite)
def test_a_key_that_only_signs_is_good_for_all_but_asymkex(suite: KexSuite) -> None:
    owner = OWNERS[suite].public_key
    if not suite.startswith("ASYMKEX"):
        assert suite_for(suite, owner, decrypts=False) is suite
        return
    with pytest.raises(Unsupported):
        suite_for(suite, owner, decrypts=False)


@pytest.mark.parametrize("suite", KexSuite)
def test_both_sides_come_to_the_same_whatever_the_family(suite: KexSuite) -> None:
    owner = OWNERS[suite]
    half = half_from_item(cbor.decode(cbor.encode(new_half(suite, DRAW).to_item())))
    sent, shared = answer(suite, half.sent, owner.public_key, DRAW)
    assert half.owner_shared(sent, owner.decrypter) == shared
    assert len(sent) <= 384


@pytest.mark.parametrize("suite", KexSuite)
def test_no_exchange_repeats_what_it_draws(suite: KexSuite) -> None:
    halves = [new_half(suite, DRAW) for _ in range(3)]
    assert len({half.sent for half in halves}) == 3
    owner = OWNERS[suite].public_key
    answers = [answer(suite, halves[0].sent, owner, DRAW) for _ in range(2)]
    assert len({sent for sent, _ in answers}) == 2
    assert len({shared.secret for _, shared in answers}) == 2


@pytest.mark.parametrize("suite", KexSuite)
def test_a_half_and_its_outcome_show_no_secret(suite: KexSuite) -> None:
    half = new_half(suite, DRAW)
    _, shared = answer(suite, half.sent, OWNERS[suite].public_key, DRAW)
    assert repr(half) == f"{type(half).__name__}(suite={suite!r})"
    assert repr(shared) == "Shared()"


@pytest.mark.parametrize("suite", KexSuite)
def test_an_answer_to_the_owner_of_another_kind_is_not_given(suite: KexSuite) -> None:
    other = new_key("P-384" if suite is KexSuite.ECDH256 else "P-256").public_key()
    with pytest.raises(Unsupported):
        answer(suite, new_half(suite, DRAW).sent, other, DRAW)


@pytest.mark.parametrize("suite", KexSuite)
@pytest.mark.parametrize("sent", [b"", b"\0", bytes(600)], ids=["0", "1", "600"])
def test_what_no_suite_sends_is_refused_on_both_sides(
    suite: KexSuite, sent: bytes
) -> None:
    owner = OWNERS[suite]
    with pytest.raises((MalformedError, MessageRefused)):
        new_half(suite, DRAW).owner_shared(sent, owner.decrypter)
    with pytest.raises((MalformedError, MessageRefused)):
        answer(suite, sent, owner.public_key, DRAW)


STATES: dict[str, object] = {
    "no array": "ECDH256",
    "unknown suite": ["ECDH512", b"", b""],
    "no suite": [1, b"", b""],
    "too few fields": ["DHKEXid14", bytes(256)],
    "too many fields": ["ASYMKEX2048", bytes(32), bytes(32)],
    "a number of another size": ["DHKEXid15", bytes(384), bytes(256)],
    "a random of another size": ["ASYMKEX3072", bytes(32)],
}


@pytest.mark.parametrize("name", STATES)
def test_a_state_of_another_shape_is_malformed(name: str) -> None:
    with pytest.raises(MalformedError):
        half_from_item(STATES[name])


@pytest.mark.parametrize("name", transcripts.EVERY)
def test_both_sides_agree_on_the_recorded_secret_and_keys(name: str) -> None:
    record = Transcript(name)
    owner = record.signer("owner")
    ours, theirs = (_recorded_draw(record, side) for side in ("owner", "device"))
    half = new_half(record.suite, ours)
    assert half.sent == record.kex_sent("owner")
    sent, shared = answer(record.suite, half.sent, owner.public_key, theirs)
    if record.suite is not KexSuite.ASYMKEX2048:  # that one pads with chance
        assert sent == record.kex_sent("device")
    assert half.owner_shared(record.kex_sent("device"), owner.decrypter) == shared
    secret, context = record.session("shared_secret"), record.session("context_rand")
    assert shared == Shared(secret, context)
    keys = record.session("sek") + record.session("svk")
    assert session_key(record.cipher, shared) == keys


def _recorded_draw(record: Transcript, side: str) -> Draw:
    keys = record.kex_keys(side)
    drawn = Drawn(*record.kex_drawn(side))
    return Draw(drawn, keys["new_kex_key"], keys["new_dh_key"])


@pytest.mark.parametrize("cipher", sorted(EVERY))
def test_a_session_key_has_the_size_of_its_cipher(cipher: Aead | MacSuite) -> None:
    assert len(session_key(cipher, Shared(b"secret"))) == cipher.key_size


@pytest.mark.parametrize("number", [0, 4, 10, 30, 31, -17760702, -17760707, 1 << 40])
def test_ciphers_that_we_do_not_speak_are_refused(number: int) -> None:
    with pytest.raises(Unsupported):
        cipher_for(number, EVERY)
    with pytest.raises(MalformedError):
        known_cipher(number)


@pytest.mark.parametrize("suite", MacSuite)
def test_ciphers_of_disputed_form_must_be_served_expressly(suite: MacSuite) -> None:
    assert cipher_for(int(suite), EVERY) is suite
    with pytest.raises(Unsupported):
        cipher_for(int(suite))


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_device_offers_by_itself_is_as_strong_as_its_key(kind: str) -> None:
    signer = SoftSigner(new_key(kind), pss=kind.endswith("PSS"))
    suite = default_kex(int(signer.alg))
    assert suite is suites_of(signer.public_key)[0]
    strong = kind in ("P-384", "RSA-3072", "RSA-3072-PSS")
    assert default_cipher(suite) is (Aead.A256GCM if strong else Aead.A128GCM)
    assert default_cipher(suite) in AEADS


def test_no_suite_goes_with_a_key_that_fdo_does_not_know() -> None:
    with pytest.raises(Unsupported):
        default_kex(-8)
