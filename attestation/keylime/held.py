"""What a verifier that keeps its agents' state is told to hold one to.

The IMA list's policy is stored in the verifier once, under its digest, and named by
every agent that is held to it. The digest of our own policy goes into the agent's
metadata, so that a verdict is counted only under the policy that it was made by.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from attestation.keylime.answers import Answer, base64_text
from attestation.keylime.errors import KeylimeError
from attestation.keylime.tpm_policy import PcrPolicy, bank_of, policy_text

PREFIX = "vouchgate-"
STORED_LIMIT = 32 * 1024 * 1024  # bytes of an answer that holds a runtime policy
IMA_PCR = 10


@dataclass(frozen=True, slots=True)
class HeldTo:
    """``policy`` is the digest of ours, ``runtime`` that of the runtime policy."""

    policy: str = ""
    runtime: str = ""  # "": the list is not looked at

    @property
    def runtime_name(self) -> str:
        """What the runtime policy is called in Keylime."""
        return f"{PREFIX}{self.runtime}" if self.runtime else ""

    @property
    def quoted(self) -> frozenset[int]:
        """PCRs that the verifier has to ask for besides those pinned."""
        return frozenset({IMA_PCR} if self.runtime else ())

    def members(self) -> dict[str, object]:
        """Members of an enrolment."""
        metadata = {"policy": self.policy} if self.policy else {}
        return {
            "metadata": json.dumps(metadata),
            "runtime_policy_name": self.runtime_name,
        }


NO_LOGS = HeldTo()


def read_policy(answer: Answer) -> str:
    """The digest in an agent's metadata; "" where it has none of ours."""
    try:
        found = json.loads(answer.text() or "{}")
    except ValueError:
        return ""
    said = found.get("policy") if isinstance(found, dict) else None
    return said if isinstance(said, str) and len(said) == 64 else ""


class Administrator(Protocol):
    """Makes calls of one verifier as its administrator."""

    def verifier(
        self,
        method: str,
        path: str,
        accepted: set[int],
        body: Mapping[str, object] | None = None,
        limit: int = STORED_LIMIT,
    ) -> tuple[int, bytes]: ...


def store_runtime_policy(verifier: Administrator, held: HeldTo, body: bytes) -> None:
    """Have a verifier keep a runtime policy under its digest; the same again is none.

    Raises:
        KeylimeError: It does not keep it, or keeps another under that name.
    """
    path = f"/v2.6/allowlists/{held.runtime_name}"
    status, answer = verifier.verifier("GET", path, {200, 404}, limit=STORED_LIMIT)
    if status == 200 and _same(answer, body):
        return
    method, accepted = ("POST", {201, 409}) if status == 404 else ("PUT", {201})
    said = {"runtime_policy": base64_text(body), "runtime_policy_key": ""}
    verifier.verifier(method, path, accepted, said)
    _, answer = verifier.verifier("GET", path, {200}, limit=STORED_LIMIT)
    if not _same(answer, body):
        raise KeylimeError(f"the verifier keeps another policy as {held.runtime_name}")


def _same(answer: bytes, body: bytes) -> bool:
    """Whether what is kept says the same; Keylime writes its JSON anew."""
    found = Answer.parse("runtime policy", answer).at("results", "runtime_policy")
    try:
        kept = found.value
        return bool(
            (json.loads(kept) if isinstance(kept, str) else kept) == json.loads(body)
        )
    except ValueError:
        return False


_UNUSED = (
    "runtime_policy",
    "runtime_policy_key",
    "mb_policy_name",
    "ima_sign_verification_keys",
    "revocation_key",
)


def enrolment_body(
    ak_public: bytes, tpm_policy: PcrPolicy, held: HeldTo
) -> dict[str, object]:
    """What the verifier is told of an agent; a missing member is refused there."""
    return {
        "v": None,
        "cloudagent_ip": None,
        "cloudagent_port": None,
        "tpm_policy": policy_text(tpm_policy),
        "accept_tpm_hash_algs": [bank_of(tpm_policy)],
        "accept_tpm_encryption_algs": ["ecc", "rsa"],
        "accept_tpm_signing_algs": ["ecdsa", "rsassa"],
        "ak_tpm": base64_text(ak_public),
        "mb_policy": None,
        "mtls_cert": None,
        **dict.fromkeys(_UNUSED, ""),
        **held.members(),
    }
