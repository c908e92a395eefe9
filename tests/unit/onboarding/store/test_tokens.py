"""Sealed tokens: good for one protocol, one time, one key ring."""

from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onboarding.store.errors import InvalidRecord, TokenRefused
from onboarding.store.tokens import TokenSealer, key_id

OLD = b"test key, old: thirty-two bytes!"
NEW = b"test key, new: thirty-two bytes!"
NOW = 1_800_000_000
EXPIRES = NOW + 600


@pytest.fixture
def sealer() -> TokenSealer:
    return TokenSealer([NEW])


def test_a_token_opens_to_what_was_sealed(sealer: TokenSealer) -> None:
    token = sealer.seal("TO2", b"state", EXPIRES)
    opened = sealer.open(token, "TO2", NOW)
    assert opened.payload == b"state"
    assert len(opened.id) == 16
    assert opened.expires == EXPIRES
    assert sealer.open(token, "TO2", NOW) == opened


def test_two_tokens_of_one_state_differ(sealer: TokenSealer) -> None:
    one = sealer.seal("TO2", b"state", EXPIRES)
    two = sealer.seal("TO2", b"state", EXPIRES)
    assert sealer.open(one, "TO2", NOW).id != sealer.open(two, "TO2", NOW).id


def test_with_its_randomness_fixed_a_token_is_reproducible() -> None:
    fixed = TokenSealer([NEW], random=lambda size: b"n" * size)
    assert fixed.seal("TO1", b"x", EXPIRES) == fixed.seal("TO1", b"x", EXPIRES)


def test_the_payload_is_not_readable_in_the_token(sealer: TokenSealer) -> None:
    token = sealer.seal("TO2", b"a very secret state", EXPIRES)
    assert b"secret" not in urlsafe_b64decode(token)


def test_a_token_of_another_protocol_is_refused(sealer: TokenSealer) -> None:
    token = sealer.seal("TO1", b"state", EXPIRES)
    with pytest.raises(TokenRefused, match="another use"):
        sealer.open(token, "TO2", NOW)


def test_a_token_expires(sealer: TokenSealer) -> None:
    token = sealer.seal("TO2", b"state", EXPIRES)
    sealer.open(token, "TO2", EXPIRES - 1)
    with pytest.raises(TokenRefused, match="expired"):
        sealer.open(token, "TO2", EXPIRES)


def test_every_altered_byte_is_noticed(sealer: TokenSealer) -> None:
    raw = urlsafe_b64decode(sealer.seal("TO2", b"state!!!", EXPIRES))
    for position in range(len(raw)):
        altered = bytearray(raw)
        altered[position] ^= 1
        with pytest.raises(TokenRefused):
            sealer.open(urlsafe_b64encode(altered).decode(), "TO2", NOW)


def test_a_token_has_one_spelling(sealer: TokenSealer) -> None:
    token = sealer.seal("TO2", b"state", EXPIRES)  # 46 bytes: ends in ==
    assert token.endswith("==")
    respelled = token[:-3] + chr(ord(token[-3]) + 1) + "=="
    for other in (respelled, token.rstrip("="), token + "=", " " + token, token + "\n"):
        with pytest.raises(TokenRefused):
            sealer.open(other, "TO2", NOW)


def test_an_older_key_still_opens_but_no_longer_seals() -> None:
    token = TokenSealer([OLD]).seal("TO2", b"state", EXPIRES)
    rotated = TokenSealer([NEW, OLD])
    assert rotated.open(token, "TO2", NOW).payload == b"state"
    fresh = rotated.seal("TO2", b"state", EXPIRES)
    with pytest.raises(TokenRefused, match="key"):
        TokenSealer([OLD]).open(fresh, "TO2", NOW)


def test_a_missing_key_is_asked_for_and_kept() -> None:
    token = TokenSealer([OLD]).seal("TO2", b"state", EXPIRES)
    asked = []

    def find(wanted: bytes, now: int) -> bytes | None:
        asked.append((wanted, now))
        return OLD

    sealer = TokenSealer([NEW], missing=find)
    for _ in range(2):
        assert sealer.open(token, "TO2", NOW).payload == b"state"
    assert asked == [(key_id(OLD), NOW)]


def test_a_wrong_answer_to_a_missing_key_is_refused() -> None:
    token = TokenSealer([OLD]).seal("TO2", b"state", EXPIRES)
    with pytest.raises(TokenRefused):
        TokenSealer([NEW], missing=lambda *_: NEW).open(token, "TO2", NOW)


def test_a_sealed_row_opens_for_its_subject_alone(sealer: TokenSealer) -> None:
    sealed = sealer.seal_bytes("TO2 run", b"keys", EXPIRES, subject=b"run 1")
    assert sealer.open_bytes(sealed, "TO2 run", NOW, subject=b"run 1") == b"keys"
    with pytest.raises(TokenRefused):
        sealer.open_bytes(sealed, "TO2 run", NOW, subject=b"run 2")


@given(st.text(max_size=200) | st.binary(max_size=200).map(str))
def test_no_text_escapes_the_error_hierarchy(text: str) -> None:
    with pytest.raises(TokenRefused):
        TokenSealer([NEW]).open(text, "TO2", NOW)


@given(st.binary(max_size=200))
def test_no_bytes_escape_the_error_hierarchy(raw: bytes) -> None:
    token = urlsafe_b64encode(raw).decode()
    with pytest.raises(TokenRefused):
        TokenSealer([NEW]).open(token, "TO2", NOW)


def test_a_token_over_the_limit_is_not_looked_at(sealer: TokenSealer) -> None:
    with pytest.raises(TokenRefused, match="characters"):
        sealer.open("A" * 8193, "TO2", NOW)


@pytest.mark.parametrize("keys", [[], [b"short"], [NEW, b"x" * 33]])
def test_a_sealer_needs_whole_keys(keys: list[bytes]) -> None:
    with pytest.raises(InvalidRecord):
        TokenSealer(keys)
