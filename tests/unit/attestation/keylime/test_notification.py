"""Notifications of failures, as Keylime 7.14.3 sends them."""

import json

import pytest

from attestation.keylime.errors import KeylimeError
from attestation.keylime.notification import read_notification

EVENT = "ima.validation.ima-ng.not_in_allowlist"
SAID = {"message": "File not found in allowlist: /usr/bin/evil"}


def notification(**changes: object) -> bytes:
    told = {"type": "revocation", "agent_id": "a", "event_id": EVENT}
    told |= {"context": json.dumps(SAID)}
    message = json.dumps({**told, **changes})
    return json.dumps({"msg": message, "signature": ""}).encode()


def test_it_names_the_agent_and_the_file() -> None:
    told = read_notification(notification())
    assert told.agent == "a"
    assert told.failure is not None
    assert (told.failure.type, told.failure.message) == (EVENT, SAID["message"])


def test_one_without_an_event_tells_of_no_failure() -> None:
    assert read_notification(notification(event_id="", context="")).failure is None


@pytest.mark.parametrize(
    "body",
    [
        b"no JSON",
        b"[]",
        b"{}",
        b'{"msg": "[]"}',
        notification(agent_id=7),
        notification(context="no JSON"),
        notification(context=7),
        b"[" * 5000,
    ],
)
def test_anything_else_is_refused(body: bytes) -> None:
    with pytest.raises((ValueError, KeylimeError, RecursionError)):
        read_notification(body)
