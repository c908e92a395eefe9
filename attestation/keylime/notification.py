"""What Keylime's verifier says in a notification of a failure.

It comes from whoever holds a certificate of Keylime's authority, once, and may be lost:
so it is no verdict. Its words are used for a failure that the verifier owns up to.
Source: Keylime 7.14.3, as observed by running it.
"""

import json
from dataclasses import dataclass

from attestation.json_read import unique_members
from attestation.keylime.answers import Answer
from attestation.keylime.readers import read_failure
from attestation.keylime.results import Failure


@dataclass(frozen=True, slots=True)
class Notification:
    """One event of one agent; ``failure`` is None where it tells of none."""

    agent: str
    failure: Failure | None


def read_notification(body: bytes) -> Notification:
    """Read the body of a notification.

    Raises:
        ValueError, RecursionError: It is no JSON, or not of that form.
        KeylimeError: A member is not of its kind.
    """
    outer = Answer("notification", json.loads(body, object_pairs_hook=unique_members))
    told = outer.at("msg").text()
    inner = Answer("notification", json.loads(told, object_pairs_hook=unique_members))
    agent, said = inner.at("agent_id").text(), inner.members()
    if not said.get("event_id") or not said.get("context"):
        return Notification(agent, None)
    context = json.loads(inner.at("context").text(), object_pairs_hook=unique_members)
    event = {"type": inner.at("event_id").text()[:200], "context": context}
    return Notification(agent, read_failure(Answer("notification", event)))
