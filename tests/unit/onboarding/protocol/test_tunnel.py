"""The tunnel, held against samples made without us."""

import json
import secrets
from typing import Any

import pytest

from onboarding.protocol.ciphers import EVERY
from onboarding.protocol.tunnel import Tunnel
from onboarding.wire.message import MsgType
from ownership_vouchers import cbor
from ownership_vouchers.encrypt0 import Aead, Encrypt0
from ownership_vouchers.errors import DecryptError, MalformedError
from ownership_vouchers.mac0 import Mac0, MacSuite, mac0
from tests.support.transcripts import CBC128, CTR256, VECTORS, Transcript

SAMPLES: list[dict[str, Any]] = json.loads(
    (VECTORS / "tunnel_aead_extra.json").read_text()
)["vectors"]
CIPHERS = sorted(EVERY)
CCM = [one for one in Aead if one.iv_size == 7]
CTR = [one for one in MacSuite if not one.chained]
OURS = [one for one in SAMPLES if one["cipher_suite"] in tuple(Aead)]


def place_of(iv: bytes) -> int:
    """Return what a sample's IV counts, if it is one that counts."""
    return int.from_bytes(iv[-4:], "big")


@pytest.mark.parametrize("sample", OURS, ids=lambda one: str(one["cipher_suite"]))
def test_samples_are_written_and_read_to_the_byte(sample: dict[str, Any]) -> None:
    tunnel = Tunnel(Aead(sample["cipher_suite"]), bytes.fromhex(sample["sevk"]))
    iv = bytes.fromhex(sample["iv"])
    plain, message = (bytes.fromhex(sample[name]) for name in ("plaintext", "message"))
    assert tunnel.open(message) == plain
    assert tunnel.seal(plain, lambda size: iv[:size], place_of(iv)) == message


def fresh(cipher: Aead | MacSuite) -> Tunnel:
    return Tunnel(cipher, secrets.token_bytes(cipher.key_size))


@pytest.mark.parametrize("cipher", CIPHERS)
def test_what_is_sealed_opens_whatever_its_length(cipher: Aead | MacSuite) -> None:
    tunnel = fresh(cipher)
    for size in (0, 1, 15, 16, 17, 1300):
        plain = secrets.token_bytes(size)
        assert tunnel.open(tunnel.seal(plain, secrets.token_bytes, size)) == plain


@pytest.mark.parametrize("cipher", CIPHERS)
def test_an_untagged_message_is_taken(cipher: Aead | MacSuite) -> None:
    tunnel = fresh(cipher)
    assert tunnel.open(tunnel.seal(b"plain", secrets.token_bytes, 0)[1:]) == b"plain"


@pytest.mark.parametrize("cipher", CIPHERS)
def test_the_same_text_is_never_sealed_the_same(cipher: Aead | MacSuite) -> None:
    tunnel = fresh(cipher)
    sealed = {tunnel.seal(b"", secrets.token_bytes, place) for place in range(50)}
    assert len(sealed) == 50


@pytest.mark.parametrize("cipher", CCM)
def test_an_iv_too_short_for_chance_counts_the_messages(cipher: Aead) -> None:
    tunnel = fresh(cipher)
    same = [tunnel.seal(b"", bytes, place) for place in range(50)]  # no chance at all
    ivs = [Encrypt0.from_cbor(one, cipher.iv_size).iv for one in same]
    assert ivs == [bytes(3) + place.to_bytes(4, "big") for place in range(50)]


@pytest.mark.parametrize("cipher", CTR)
def test_an_iv_of_ctr_ends_in_a_count_of_blocks_from_zero(cipher: MacSuite) -> None:
    sealed = Mac0.from_cbor(fresh(cipher).seal(b"", secrets.token_bytes, 7))
    _, headers, _ = cbor.array(cbor.decode(sealed.payload), 3)
    assert cbor.bstr(cbor.mapping(headers)[5], 16)[12:] == bytes(4)


@pytest.mark.parametrize("cipher", CIPHERS)
def test_another_key_opens_nothing(cipher: Aead | MacSuite) -> None:
    sealed = fresh(cipher).seal(b"plain", secrets.token_bytes, 0)
    with pytest.raises(DecryptError):
        fresh(cipher).open(sealed)


@pytest.mark.parametrize("cipher", CIPHERS)
def test_no_bit_of_a_message_can_be_changed(cipher: Aead | MacSuite) -> None:
    tunnel = fresh(cipher)
    sealed = tunnel.seal(b"a plain text", secrets.token_bytes, 0)
    for at in range(len(sealed)):
        for bit in (1, 0x80):
            changed = sealed[:at] + bytes([sealed[at] ^ bit]) + sealed[at + 1 :]
            with pytest.raises((DecryptError, MalformedError)):
                tunnel.open(changed)


@pytest.mark.parametrize("ours", CIPHERS)
@pytest.mark.parametrize("theirs", CIPHERS)
def test_the_suite_agreed_on_is_the_only_one(
    ours: Aead | MacSuite, theirs: Aead | MacSuite
) -> None:
    key = bytes(max(ours.key_size, theirs.key_size))
    sealed = Tunnel(theirs, key[: theirs.key_size]).seal(b"x", secrets.token_bytes, 0)
    if ours is theirs:
        return
    with pytest.raises((DecryptError, MalformedError)):
        Tunnel(ours, key[: ours.key_size]).open(sealed)


def test_the_key_is_not_in_the_repr() -> None:
    assert "key" not in repr(Tunnel(Aead.A128GCM, b"k" * 16))


@pytest.mark.parametrize("name", [CTR256, CBC128])
def test_recorded_messages_open_and_are_sealed_to_the_byte(name: str) -> None:
    record = Transcript(name)
    key = record.session("sek") + record.session("svk")
    tunnel = Tunnel(record.cipher, key)
    for one in record.messages("to2"):
        if one.type < MsgType.TO2_SETUP_DEVICE:
            continue
        assert tunnel.open(one.wire) == one.plain
        _, headers, _ = cbor.array(cbor.decode(Mac0.from_cbor(one.wire).payload), 3)
        iv = cbor.bstr(cbor.mapping(headers)[5], 16)
        assert isinstance(record.cipher, MacSuite)
        assert mac0(record.cipher, key, iv, one.plain).encode() == one.wire
