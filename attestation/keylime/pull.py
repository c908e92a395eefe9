"""The pull protocol: a verifier in pull mode calls the agent, and we ask the verifier.

Source: Keylime 7.14.3, as observed by running it.
"""

import json
import time

from attestation.keylime.agent_id import checked_agent_id
from attestation.keylime.answers import Answer
from attestation.keylime.client import KeylimeClient
from attestation.keylime.errors import KeylimeUnavailable
from attestation.keylime.held import NO_LOGS, HeldTo, enrolment_body
from attestation.keylime.readers import read_pull_status
from attestation.keylime.results import Contact, PullStatus
from attestation.keylime.tpm_policy import PcrPolicy

LEAVE_SECONDS, LEAVE_PAUSE = 20.0, 0.1
AGENT_API = "2.2"  # asked of an agent first; the verifier finds out what it has


class PullVerifier:
    """One verifier in pull mode. Every method raises KeylimeError without an answer."""

    def __init__(self, client: KeylimeClient) -> None:
        self.client = client

    def enrol(
        self,
        agent_id: str,
        ak_public: bytes,
        policy: PcrPolicy,
        contact: Contact,
        held: HeldTo = NO_LOGS,
    ) -> None:
        """Have the verifier call an agent, and hold its quotes to a policy."""
        body = enrolment_body(ak_public, policy, held)
        mask = hex(sum(1 << pcr for pcr in {*policy, *held.quoted}))
        body |= {
            "tpm_policy": json.dumps(
                {**json.loads(str(body["tpm_policy"])), "mask": mask}
            ),
            "cloudagent_ip": contact.host,
            "cloudagent_port": contact.port,
            "mtls_cert": contact.certificate,
            "supported_version": AGENT_API,
        }
        self.client.verifier("POST", _path(agent_id), {200}, body)

    def unenrol(self, agent_id: str) -> None:
        """Have it call the agent no more; harmless if it does not.

        It may say 202 and go on for a moment, in which it would refuse to enrol the
        agent anew: that is waited for.

        Raises:
            KeylimeUnavailable: It is still at it after ``LEAVE_SECONDS``.
        """
        path = _path(agent_id)
        status, _ = self.client.verifier("DELETE", path, {200, 202, 404})
        deadline = time.monotonic() + LEAVE_SECONDS
        while status == 202:
            if time.monotonic() > deadline:
                raise KeylimeUnavailable(f"the verifier has not let go of {agent_id}")
            time.sleep(LEAVE_PAUSE)
            gone, _ = self.client.verifier("GET", path, {200, 404})
            status = gone if gone == 404 else status

    def status(self, agent_id: str) -> PullStatus | None:
        """What it has of an agent; None if it does not know it."""
        status, body = self.client.verifier("GET", _path(agent_id), {200, 404})
        if status == 404:
            return None
        return read_pull_status(Answer.parse("agent status", body).at("results"))


def _path(agent_id: str) -> str:
    return f"/v2.6/agents/{checked_agent_id(agent_id)}"
