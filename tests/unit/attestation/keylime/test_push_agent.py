"""The device's side does what the protocol asks and nothing more.

That it does it rightly is shown in tests/e2e by the real verifier and a real TPM.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx
import pytest

from attestation.keylime.errors import KeylimeError
from attestation.keylime.push_agent import PushAgent, PushRefused, Submitted
from hw.evidence import Attestation, Quote

GUID = "d432fbb3-d2f1-4a97-9ef7-75bd81c0000a"
NONCE = base64.b64encode(b"0123456789abcdef").decode()
BOOT = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Key:
    """Records what it was asked to sign."""

    public: bytes = b"public"
    name: bytes = b"name"
    signed: list[object] = field(default_factory=list)

    def certify(self, nonce: bytes) -> Attestation:
        self.signed.append(nonce)
        return Attestation(b"m", b"s")

    def quote(self, nonce: bytes, bank: str, pcrs: tuple[int, ...]) -> Quote:
        self.signed.append((nonce, bank, pcrs))
        return Quote(b"m", b"s", b"p")


@dataclass
class Script:
    """Gives these replies one after the other; keeps what was sent."""

    replies: list[httpx.Response]
    tokens: list[str | None] = field(default_factory=list)

    def __call__(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: Mapping[str, object],
    ) -> httpx.Response:
        self.tokens.append(headers.get("Authorization"))
        return self.replies.pop(0)


def opened(**change: object) -> httpx.Response:
    asked = [{"chosen_parameters": {"challenge": NONCE}}]
    attributes = {"authentication_requested": asked, **change}
    return httpx.Response(200, json={"data": {"id": GUID, "attributes": attributes}})


def closed(**change: object) -> httpx.Response:
    attributes = {"evaluation": "pass", "token": "t", **change}
    return httpx.Response(200, json={"data": {"attributes": attributes}})


def asked(kind: str = "tpm_quote", **change: object) -> httpx.Response:
    chosen = {
        "challenge": NONCE,
        "hash_algorithm": "sha256",
        "selected_subjects": {"sha256": [7, 12], "sha384": None},
        **change,
    }
    item = {"evidence_type": kind, "chosen_parameters": chosen}
    return httpx.Response(
        201, json={"data": {"attributes": {"evidence_requested": [item]}}}
    )


def taken() -> httpx.Response:
    return httpx.Response(202, json={"meta": {"seconds_to_next_attestation": 2}})


def agent(*replies: httpx.Response) -> tuple[PushAgent, Script, Key]:
    script, key = Script(list(replies)), Key()
    return PushAgent(script, key, GUID, BOOT), script, key


def test_it_quotes_what_it_is_asked_for() -> None:
    device, script, key = agent(opened(), closed(), asked(), taken())
    assert device.attest() == Submitted("sha256", (7, 12), 2)
    nonce = b"0123456789abcdef"
    assert key.signed == [nonce, (nonce, "sha256", (7, 12))]
    assert script.tokens == [None, None, "Bearer t", "Bearer t"]


def test_it_logs_in_again_once_when_the_session_has_ended() -> None:
    expired = httpx.Response(401, json={})
    device, script, _ = agent(
        opened(), closed(), expired, opened(), closed(token="u"), asked(), taken()
    )
    device.attest()
    assert script.tokens[-1] == "Bearer u"


def test_it_does_not_log_in_for_ever() -> None:
    expired = httpx.Response(401, json={})
    device, script, _ = agent(opened(), closed(), expired, opened(), closed(), expired)
    with pytest.raises(PushRefused):
        device.attest()
    assert script.replies == []


def test_it_says_how_long_to_wait_when_it_is_too_early() -> None:
    early = httpx.Response(429, headers={"Retry-After": "3"}, json={})
    device, _, _ = agent(opened(), closed(), early)
    with pytest.raises(PushRefused) as refusal:
        device.attest()
    assert (refusal.value.status, refusal.value.retry_after) == (429, 3)


UNREASONABLE = {
    "another kind of evidence": [opened(), closed(), asked("ima_log")],
    "another bank": [opened(), closed(), asked(hash_algorithm="sha1")],
    "no PCR": [opened(), closed(), asked(selected_subjects={"sha256": []})],
    "PCRs null": [opened(), closed(), asked(selected_subjects={"sha256": None})],
    "PCR 24": [opened(), closed(), asked(selected_subjects={"sha256": [24]})],
    "empty nonce": [opened(), closed(), asked(challenge="")],
    "long nonce": [opened(), closed(), asked(challenge="AAAA" * 30)],
    "two ways to log in": [opened(authentication_requested=[{}, {}])],
    "no way to log in": [opened(authentication_requested=[])],
    "no token": [opened(), closed(token=None)],
    "not JSON": [httpx.Response(200, text="hello")],
    "endless": [httpx.Response(200, content=bytes(1024 * 1024 + 1))],
}


@pytest.mark.parametrize("replies", UNREASONABLE.values(), ids=UNREASONABLE.keys())
def test_it_refuses_to_sign_or_go_on(replies: list[httpx.Response]) -> None:
    device, _, key = agent(*replies)
    with pytest.raises(KeylimeError):
        device.attest()
    assert not any(isinstance(signed, tuple) for signed in key.signed)


def test_a_login_refused_with_status_200_is_still_refused() -> None:
    device, _, _ = agent(opened(), closed(evaluation="fail", token=None))
    with pytest.raises(PushRefused, match="login refused"):
        device.login()


def test_the_session_id_cannot_lead_to_another_path() -> None:
    reply = httpx.Response(
        200,
        json={
            "data": {
                "id": "../agents/x",
                "attributes": {
                    "authentication_requested": [
                        {"chosen_parameters": {"challenge": NONCE}}
                    ]
                },
            }
        },
    )
    device, script, _ = agent(reply)
    with pytest.raises(KeylimeError, match="agent id"):
        device.login()
    assert len(script.tokens) == 1


def test_the_token_is_not_shown() -> None:
    device, _, _ = agent(opened(), closed(token="secret-token"))
    device.login()
    assert "secret-token" not in repr(device)
