"""What a verifier that keeps its agents' state is told to hold one to.

The IMA list's policy and the boots that are allowed are stored in the verifier once,
each under its digest, and named by every agent that is held to them. The digest of our
own policy goes into the agent's metadata, so that a verdict is counted only under the
policy that it was made by.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from attestation.keylime.answers import Answer, base64_text
from attestation.keylime.boot_reference import BootReference
from attestation.keylime.errors import KeylimeError, NotStored
from attestation.keylime.tpm_policy import PcrPolicy, bank_of, policy_text

PREFIX = "vouchgate-"
STORED_LIMIT = 32 * 1024 * 1024  # bytes of an answer that holds a runtime policy
IMA_PCR = 10
_LOGGED = 0  # stock pull agents bring the log of the boot only where it is asked for


@dataclass(frozen=True, slots=True)
class HeldTo:
    """``policy`` is the digest of ours, ``runtime`` that of the runtime policy.

    ``second`` says that it comes after another that just failed.
    """

    policy: str = ""
    runtime: str = ""  # "": the list is not looked at
    boot: BootReference | None = None  # None: the event log is not looked at
    second: bool = False

    @property
    def runtime_name(self) -> str:
        """What the runtime policy is called in Keylime."""
        return f"{PREFIX}{self.runtime}" if self.runtime else ""

    @property
    def boot_name(self) -> str:
        """What the boots that are allowed are called in Keylime."""
        return "" if self.boot is None else f"{PREFIX}{self.boot.digest}"

    @property
    def quoted(self) -> frozenset[int]:
        """PCRs that the verifier has to ask for besides those pinned."""
        boot = frozenset[int]() if self.boot is None else self.boot.pcrs | {_LOGGED}
        return boot | ({IMA_PCR} if self.runtime else set())

    def bank(self, tpm_policy: PcrPolicy) -> str:
        """The bank to be quoted. Raises KeylimeError: there are none, or two."""
        if self.boot is None:
            return bank_of(tpm_policy)
        if tpm_policy and bank_of(tpm_policy) != self.boot.bank:
            raise KeylimeError("PCRs and events are of different banks")
        return self.boot.bank

    def members(self) -> dict[str, object]:
        """Members of an enrolment."""
        policy: dict[str, object] = {"policy": self.policy} if self.policy else {}
        turn = {"second": True} if self.second else {}
        return {
            "metadata": json.dumps(policy | turn),
            "runtime_policy_name": self.runtime_name,
            "mb_policy_name": self.boot_name,
        }


NO_LOGS = HeldTo()


def read_policy(answer: Answer) -> str:
    """The digest in an agent's metadata; "" where it has none of ours."""
    said = _metadata(answer).get("policy")
    return said if isinstance(said, str) and len(said) == 64 else ""


def read_second(answer: Answer) -> bool:
    """Whether its metadata say that the policy comes after another that failed."""
    return _metadata(answer).get("second") is True


def _metadata(answer: Answer) -> Mapping[str, object]:
    try:
        found = json.loads(answer.text() or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


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
    said = {"runtime_policy": base64_text(body), "runtime_policy_key": ""}
    path = f"/v2.6/allowlists/{held.runtime_name}"
    _store(verifier, path, "runtime_policy", said, body.decode())


def store_boots(verifier: Administrator, held: HeldTo) -> None:
    """The same for the boots that are allowed, if there are any to be told."""
    if held.boot is not None:
        text, path = held.boot.text, f"/v2.6/mbpolicies/{held.boot_name}"
        _store(verifier, path, "mb_policy", {"mb_policy": text}, text)


def require_stored(verifier: Administrator, held: HeldTo, body: bytes) -> None:
    """Have a verifier show that it keeps what it was told; ``body`` is what may run.

    Raises:
        NotStored: Something else is there, or nothing.
    """
    named = []
    if held.runtime:
        path = f"/v2.6/allowlists/{held.runtime_name}"
        named.append((path, "runtime_policy", body.decode()))
    if held.boot is not None:
        path = f"/v2.6/mbpolicies/{held.boot_name}"
        named.append((path, "mb_policy", held.boot.text))
    for path, member, text in named:
        status, answer = verifier.verifier("GET", path, {200, 404}, limit=STORED_LIMIT)
        if status == 404 or not _same(answer, member, text):
            raise NotStored(f"the verifier keeps another policy at {path}")


def _store(
    verifier: Administrator,
    path: str,
    member: str,
    said: Mapping[str, object],
    text: str,
) -> None:
    status, answer = verifier.verifier("GET", path, {200, 404}, limit=STORED_LIMIT)
    if status == 200 and _same(answer, member, text):
        return
    method, accepted = ("POST", {201, 409}) if status == 404 else ("PUT", {201})
    verifier.verifier(method, path, accepted, said)
    _, answer = verifier.verifier("GET", path, {200}, limit=STORED_LIMIT)
    if not _same(answer, member, text):
        raise KeylimeError(f"the verifier keeps another policy at {path}")


def _same(answer: bytes, member: str, text: str) -> bool:
    """Whether what is kept says the same; Keylime writes some JSON anew."""
    found = Answer.parse("stored policy", answer).at("results", member)
    try:
        kept = found.value
        return bool(
            (json.loads(kept) if isinstance(kept, str) else kept) == json.loads(text)
        )
    except ValueError:
        return False


_UNUSED = (
    "runtime_policy",
    "runtime_policy_key",
    "ima_sign_verification_keys",
    "revocation_key",
)


def enrolment_body(
    ak_public: bytes, tpm_policy: PcrPolicy, held: HeldTo
) -> dict[str, object]:
    """What the verifier is told of an agent; a missing member is refused there.

    Raises:
        KeylimeError: Neither PCRs nor events are told, so nothing would be compared.
    """
    bank = held.bank(tpm_policy)
    return {
        "v": None,
        "cloudagent_ip": None,
        "cloudagent_port": None,
        "tpm_policy": policy_text(tpm_policy) if tpm_policy else "{}",
        "accept_tpm_hash_algs": [bank],
        "accept_tpm_encryption_algs": ["ecc", "rsa"],
        "accept_tpm_signing_algs": ["ecdsa", "rsassa"],
        "ak_tpm": base64_text(ak_public),
        "mb_policy": None,
        "mtls_cert": None,
        **dict.fromkeys(_UNUSED, ""),
        **held.members(),
    }
