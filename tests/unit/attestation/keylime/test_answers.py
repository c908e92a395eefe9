"""An answer of another shape is an error that says where, never a default."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attestation.keylime.answers import Answer, base64_text
from attestation.keylime.errors import KeylimeError

NOT_JSON = {
    "empty": b"",
    "half": b'{"a":',
    "latin-1": b'"\xe4"',
    "too deep": b"[" * 100_000,
    "utf-16": '{"a": 1}'.encode("utf-16"),
}
WRONG: dict[str, tuple[Callable[[Answer], object], object]] = {
    "text": (Answer.text, 1),
    "boolean": (Answer.boolean, 1),
    "natural of a boolean": (Answer.natural, True),
    "negative": (Answer.natural, -1),
    "base64 with a stranger": (Answer.octets, "AA*A"),
    "base64 without padding": (Answer.octets, "AA"),
    "object": (Answer.members, []),
    "array": (lambda a: list(a.items()), {}),
    "long array": (lambda a: list(a.items(2)), [1, 2, 3]),
    "time beyond all years": (Answer.moment, 10**15),
    "iso time": (Answer.iso_moment, "yesterday"),
    "iso time without offset": (Answer.iso_moment, "2026-01-01T00:00:00"),
}


@pytest.mark.parametrize("body", NOT_JSON.values(), ids=NOT_JSON.keys())
def test_what_is_not_one_utf8_json_document_is_refused(body: bytes) -> None:
    with pytest.raises(KeylimeError, match="version: the answer is not JSON"):
        Answer.parse("version", body)


@pytest.mark.parametrize(("read", "value"), WRONG.values(), ids=WRONG.keys())
def test_a_value_of_another_kind_is_refused(
    read: Callable[[Answer], object], value: object
) -> None:
    with pytest.raises(KeylimeError, match=r"^status x"):
        read(Answer("status x", value))


def test_a_missing_member_is_named() -> None:
    answer = Answer.parse("status", b'{"results": {}}')
    with pytest.raises(KeylimeError, match="status results: member 'blob' is missing"):
        answer.at("results", "blob")


def test_zero_seconds_mean_never() -> None:
    assert Answer("t", 0).moment() is None
    assert Answer("t", 1).moment() == datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)


@given(st.binary())
def test_octets_survive_their_base64_text(data: bytes) -> None:
    assert Answer("x", base64_text(data)).octets() == data
