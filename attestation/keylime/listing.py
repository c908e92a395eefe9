"""What registrar and verifier have on record, in lists: to be held against our own.

Source: Keylime 7.14.3, API version 2.6, as observed by running it.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Literal
from urllib.parse import quote

from attestation.keylime.agent_id import checked_agent_id
from attestation.keylime.answers import Answer
from attestation.keylime.client import KeylimeClient
from attestation.keylime.errors import KeylimeError
from attestation.keylime.held import read_policy
from attestation.keylime.long_answer import members_of
from attestation.keylime.readers import STOPPED
from attestation.keylime.results import AgentState, Enrolment

LIST_LIMIT = 64 * 1024 * 1024  # bytes of one list of names
AGENTS_LIMIT = 1024 * 1024 * 1024  # bytes of the list of agents, of which one is kept
PolicyKind = Literal["allowlists", "mbpolicies"]
NAMES_LIMIT = 200_000

# What is another when there is news of an agent, on either channel. Not whether it is
# late: Keylime says so of agents that are not, and all of them are when it restarts.
_TELLING = (
    "operational_state",
    "attestation_count",
    "last_received_quote",
    "last_successful_attestation",
    "last_event_id",
    "tpm_policy",
)


class KeylimeListing:
    """Lists of one registrar and one verifier; each is asked once.

    Every method raises KeylimeError when there is no answer that can be read.
    """

    def __init__(self, client: KeylimeClient) -> None:
        self._client = client

    def enrolled(self) -> Mapping[str, Enrolment]:
        """Agents that the verifier knows, and what each is held to."""
        return {
            name: Enrolment(
                one.at("tpm_policy").text(), read_policy(one.at("meta_data"))
            )
            for name, one in self._agents()
        }

    def heard(self) -> Mapping[str, bytes | None]:
        """A mark of what the verifier has heard of each agent; None: nothing yet.

        The mark (SHA-256) is another after every attestation that tells anything: one
        that passed, and one that failed unless the last of that second did.
        """
        return {name: _mark(one) for name, one in self._agents()}

    def registered(self) -> frozenset[str]:
        """Ids that the registrar knows, activated or not."""
        body = self._client.list_registrar("/v2.6/agents", LIST_LIMIT)
        found = Answer.parse("registered agents", body).at("results", "uuids")
        return frozenset(_names(found))

    def runtime_policies(self) -> frozenset[str]:
        """Names of IMA policies that are stored in the verifier."""
        found = self._verifier("/v2.6/allowlists/", "runtime policies")
        return frozenset(_names(found.at("runtimepolicy names")))

    def measured_boot_policies(self) -> frozenset[str]:
        """Names of measured boot policies that are stored in the verifier."""
        found = self._verifier("/v2.6/mbpolicies/", "measured boot policies")
        return frozenset(_names(found.at("mbpolicy names")))

    def unenrol(self, agent_id: str) -> None:
        """Remove an agent from the verifier; harmless if it is not there."""
        path = f"/v2.6/agents/{checked_agent_id(agent_id)}"
        self._client.verifier("DELETE", path, {200, 202, 404})

    def drop(self, kind: PolicyKind, name: str) -> None:
        """Remove a named policy from the verifier; harmless if it is not there."""
        path = f"/v2.6/{kind}/{quote(name, safe='')}"
        self._client.verifier("DELETE", path, {200, 204, 404})

    def _agents(self) -> Iterator[tuple[str, Answer]]:
        """Each agent with the verifier's entry of it, to be read to the end."""
        seen: set[str] = set()
        chunks = self._client.long_answer("/v2.6/agents/?bulk=true", AGENTS_LIMIT)
        for name, entry in members_of("enrolled agents", chunks, "results"):
            if name in seen or len(seen) == NAMES_LIMIT:
                raise KeylimeError(f"enrolled agents: {name[:80]!r} is one too many")
            seen.add(name)
            yield name, entry

    def _verifier(self, path: str, what: str) -> Answer:
        _, body = self._client.verifier("GET", path, limit=LIST_LIMIT)
        return Answer.parse(what, body).at("results")


def _mark(entry: Answer) -> bytes | None:
    failed = entry.at("attestation_status").text() == AgentState.FAIL
    stopped = entry.at("operational_state").value in tuple(STOPPED)
    heard = entry.at("last_received_quote").value not in (None, 0)
    if not (heard or failed or stopped):  # one that was called in vain has failed
        return None
    said = [failed, *(entry.at(name).value for name in _TELLING)]
    return hashlib.sha256(json.dumps(said).encode()).digest()


def _names(answer: Answer) -> Iterator[str]:
    """Names, of which the verifier makes a list each."""
    for one in answer.items(NAMES_LIMIT):
        if isinstance(one.value, list):
            yield from (each.text() for each in one.items(1))
        else:
            yield one.text()
