"""Whatever cannot be read raises; no answer of Keylime's is ever guessed.

The answers here are ones that the real programs, which tests/e2e asks, never give.
"""

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import certifi
import httpx
import pytest

from attestation.keylime.client import ANSWER_LIMIT, KeylimeClient
from attestation.keylime.errors import KeylimeError
from attestation.keylime.http import device_transport
from attestation.keylime.settings import KeylimeSettings
from tests.support.keylime_evidence import GOOD
from tests.support.scripted import Scripted, bomb, unpacking_nothing

GUID = "d432fbb3-d2f1-4a97-9ef7-75bd81c0000a"
NOWHERE = Path("unused")
SETTINGS = KeylimeSettings(
    "https://verifier",
    "https://registrar",
    "http://registrar",
    NOWHERE,
    NOWHERE,
    NOWHERE,
)
FAILURE = {"type": "pcr_validation.invalid_pcr_7", "context": {"got": "a"}}
Answering = httpx.Response | Exception


def asking(answer: Answering) -> KeylimeClient:
    def handle(_request: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    return KeylimeClient(httpx.MockTransport(handle), SETTINGS)


def results(value: object, status: int = 200) -> httpx.Response:
    return httpx.Response(status, json={"code": status, "results": value})


NO_VERDICT: dict[str, Answering] = {
    "no connection": httpx.ConnectError("refused"),
    "silence": httpx.ReadTimeout("30 s"),
    "server error": results({"valid": True, "failures": []}, 500),
    "refusal": results({"valid": False, "failures": [FAILURE]}, 400),
    "redirect": httpx.Response(307, headers={"Location": "https://elsewhere"}),
    "empty": httpx.Response(200),
    "not JSON": httpx.Response(200, text="valid"),
    "no results": httpx.Response(200, json={"valid": True}),
    "no verdict": results({"failures": []}),
    "verdict as text": results({"valid": "true", "failures": []}),
    "verdict as number": results({"valid": 1, "failures": []}),
    "no reasons": results({"valid": True}),
    "valid with a failure": results({"valid": True, "failures": [FAILURE]}),
    "invalid without one": results({"valid": False, "failures": []}),
    "failure without type": results({"valid": False, "failures": [{"context": {}}]}),
    "failures as an object": results({"valid": False, "failures": {"a": 1}}),
}


@pytest.mark.parametrize("answer", NO_VERDICT.values(), ids=NO_VERDICT.keys())
def test_without_a_readable_verdict_there_is_none(answer: Answering) -> None:
    with pytest.raises(KeylimeError):
        asking(answer).verify_evidence(GOOD)


def test_a_readable_verdict_is_returned() -> None:
    good = asking(results({"valid": True, "failures": []})).verify_evidence(GOOD)
    bad = asking(results({"valid": False, "failures": [FAILURE]}))
    assert good.valid
    assert [f.pcr for f in bad.verify_evidence(GOOD).failures] == [7]


def test_the_error_says_what_was_asked() -> None:
    with pytest.raises(KeylimeError, match=r"GET https://verifier/v2\.6/agents/d432"):
        asking(results({}, 503)).status(GUID)


def test_an_answer_without_end_is_cut_off() -> None:
    endless = httpx.Response(200, content=b" " * (ANSWER_LIMIT + 1))
    with pytest.raises(KeylimeError, match="longer than"):
        asking(endless).registered(GUID)


CALLS: dict[str, Callable[[KeylimeClient], Any]] = {
    "version": KeylimeClient.version,
    "register": lambda c: c.register(GUID, b"ek", None, b"ak"),
    "registered": lambda c: c.registered(GUID),
    "status": lambda c: c.status(GUID),
    "latest attestation": lambda c: c.latest_attestation(GUID),
}


@pytest.mark.parametrize("value", [None, [], {}, {"data": {}}, {"blob": 1}, "x"])
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_an_answer_of_another_shape_is_refused(
    call: Callable[[KeylimeClient], Any], value: object
) -> None:
    with pytest.raises(KeylimeError):
        call(asking(results(value)))


@pytest.mark.parametrize("agent_id", ["../x", "a/b", "A", ""])
def test_no_id_reaches_another_path(agent_id: str) -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        raise AssertionError(f"asked {request.url}")

    client = KeylimeClient(httpx.MockTransport(handle), SETTINGS)
    for call in (client.status, client.registered, client.delete, client.unenrol):
        with pytest.raises(KeylimeError, match="agent id"):
            call(agent_id)


@pytest.mark.parametrize(
    "spoil",
    [
        {"stage": "finished"},
        {"evaluation": "maybe"},
        {"evaluation": None},
        {"evidence": []},
        {"evidence_received_at": "now"},
    ],
    ids=json.dumps,
)
def test_an_attestation_in_unknown_words_is_refused(spoil: dict[str, object]) -> None:
    quote = {
        "evidence_type": "tpm_quote",
        "chosen_parameters": {"challenge": "AAAA", "hash_algorithm": "sha256"},
        "data": {"message": "AAAA", "signature": "AAAA", "subject_data": "AAAA"},
    }
    attributes = {
        "stage": "verification_complete",
        "evaluation": "pass",
        "evidence": [quote],
        "evidence_received_at": "2026-01-01T00:00:00+00:00",
    }
    links = {"self": f"/3/agents/{GUID}/attestations/4"}

    def answer(**change: object) -> httpx.Response:
        data = {"attributes": {**attributes, **change}, "links": links}
        return httpx.Response(201, json={"data": data})

    unaltered = asking(answer()).latest_attestation(GUID)
    assert unaltered is not None
    assert (unaltered.index, unaltered.passed) == (4, True)
    with pytest.raises(KeylimeError):
        asking(answer(**spoil)).latest_attestation(GUID)


ASKED: dict[str, Callable[[KeylimeClient], object]] = {
    "a verdict": lambda client: client.verify_evidence(GOOD),
    "an entry": lambda client: client.status(GUID),
    "a long list": lambda client: list(client.long_answer("/v2.6/agents/", 1 << 30)),
}


@pytest.mark.parametrize("name", ASKED)
def test_what_keylime_would_have_us_unpack_is_not_unpacked(name: str) -> None:
    with Scripted(bomb()) as server:
        ca = Path(certifi.where())
        known = replace(SETTINGS, verifier_url=server.url, ca=ca)
        with (
            closing(device_transport(known)) as way,
            unpacking_nothing(),
            pytest.raises(KeylimeError, match="encoded as 'gzip"),
        ):
            ASKED[name](KeylimeClient(way, known))
    assert b"\r\naccept-encoding: identity\r\n" in server.heard[0].lower()
