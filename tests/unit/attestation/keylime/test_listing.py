"""A verifier's list of its agents, read as it comes: all of it, or an error.

The answers here are ones that the real verifier, which tests/e2e asks, never gives.
"""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from attestation.keylime.answers import Answer
from attestation.keylime.client import KeylimeClient
from attestation.keylime.errors import KeylimeError
from attestation.keylime.listing import KeylimeListing
from attestation.keylime.long_answer import MEMBER_LIMIT, members_of
from tests.unit.attestation.keylime.test_client import SETTINGS

ENTRY: dict[str, Any] = {
    "operational_state": 3,
    "attestation_status": "PASS",
    "attestation_count": 2,
    "last_received_quote": 1_795_439_559,
    "last_successful_attestation": 1_795_439_559,
    "last_event_id": None,
    "tpm_policy": '{"7": ["\u00e4"]}',
}


def listing(*chunks: bytes, status: int = 200) -> KeylimeListing:
    """What a verifier has, that answers with these pieces."""

    def handle(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, content=iter(chunks))

    return KeylimeListing(KeylimeClient(httpx.MockTransport(handle), SETTINGS))


def answer(**agents: dict[str, Any]) -> bytes:
    whole = {"code": 200, "status": "Success", "results": agents}
    return json.dumps(whole, ensure_ascii=False).encode()


def heard(**changed: object) -> bytes | None:
    return listing(answer(a=ENTRY | changed)).heard()["a"]


def read(*chunks: bytes) -> list[tuple[str, Answer]]:
    return list(members_of("list", chunks, "results"))


def test_every_agent_is_found_however_the_answer_is_cut_into_pieces() -> None:
    whole = answer(a=ENTRY, b=ENTRY | {"attestation_count": 31}, c={})
    for size in (1, 2, 7, 64, len(whole)):
        pieces = (whole[at : at + size] for at in range(0, len(whole), size))
        found = {name: one.value for name, one in read(*pieces)}
        assert found == json.loads(whole)["results"]


def test_an_empty_list_is_a_list() -> None:
    assert listing(answer()).heard() == {}


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b'{"results": {}',
        b'{"results": {"a": 1',
        b'{"results": {"a": 12}} 3',
        b'{"results": {"a" 1}}',
        b'{"results": {"a": 1,}}',
        b'{"results": {1: 1}}',
        b'{"results": [1]}',
        b'{"code": 200}',
        b'{"results": {}, "results": {}}',
        b'{"results": {"a": "\xff"}}',
        b'{"results": {"a": ' + b"[" * 100_000 + b"}}",
    ],
)
def test_what_is_no_whole_list_is_an_error(text: bytes) -> None:
    for pieces in ((text,), (text[: len(text) // 2], text[len(text) // 2 :])):
        with pytest.raises(KeylimeError):
            read(*pieces)


def test_one_endless_member_is_given_up_before_it_fills_the_memory() -> None:
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        yield b'{"results": {"a": "'
        while True:
            taken += 1024
            yield b"x" * 1024

    with pytest.raises(KeylimeError):
        list(members_of("list", endless(), "results"))
    assert taken <= MEMBER_LIMIT + 2048


def test_of_a_list_that_is_cut_off_no_agent_counts() -> None:
    whole = answer(a=ENTRY, b=ENTRY)
    for end in (len(whole) // 2, len(whole) - 1):
        with pytest.raises(KeylimeError):
            listing(whole[:end]).heard()


def test_an_agent_that_is_listed_twice_is_an_error() -> None:
    entry = json.dumps(ENTRY)
    twice = f'{{"results": {{"a": {entry}, "a": {entry}}}}}'.encode()
    with pytest.raises(KeylimeError, match="one too many"):
        listing(twice).heard()


@pytest.mark.parametrize("status", [403, 500])
def test_a_refusal_is_no_empty_list(status: int) -> None:
    with pytest.raises(KeylimeError, match=str(status)):
        listing(answer(), status=status).heard()


def test_an_entry_without_what_tells_of_news_is_an_error() -> None:
    for name in ENTRY:
        entry = {key: value for key, value in ENTRY.items() if key != name}
        with pytest.raises(KeylimeError, match=name):
            listing(answer(a=entry)).heard()


@pytest.mark.parametrize(
    "changed",
    [
        {"attestation_count": 3},
        {"attestation_status": "FAIL"},
        {"last_received_quote": 1_795_439_560},
        {"last_successful_attestation": None},
        {"operational_state": 9},
        {"operational_state": []},
        {"last_event_id": "pcr_validation.invalid_pcr_7"},
        {"tpm_policy": "{}"},
    ],
)
def test_the_mark_is_another_when_there_is_news(changed: dict[str, object]) -> None:
    assert heard() is not None
    assert heard(**changed) not in (heard(), None)


def test_that_keylime_calls_an_agent_late_is_no_news() -> None:
    assert heard(attestation_status="TIMEOUT") == heard()


@pytest.mark.parametrize("never", [0, None])
def test_an_agent_that_was_never_heard_of_has_no_mark(never: int | None) -> None:
    assert heard(last_received_quote=never) is None


@pytest.mark.parametrize(
    "changed", [{"attestation_status": "FAIL"}, {"operational_state": 8}]
)
def test_an_agent_that_failed_without_a_word_has_one(changed: dict[str, Any]) -> None:
    assert heard(last_received_quote=0, **changed) is not None
