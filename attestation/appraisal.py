"""One appraisal: what a verifier said of one piece of evidence, and on what."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Self

from attestation.errors import PolicyError
from attestation.json_read import JsonObject
from ownership_vouchers.errors import MalformedError
from ownership_vouchers.types import Guid

NOTHING_COMPARED = "nothing-compared"
_DIGEST = re.compile(r"[0-9a-f]{64}")
_KEYS = (
    "id", "guid", "channel", "verdict", "compared", "failures", "policy_name",
    "policy_version", "policy_digest", "evidence_digest", "at", "clock",
    "reset_count", "restart_count", "firmware",
)  # fmt: skip


@unique
class Channel(StrEnum):
    """How the evidence reached Keylime."""

    EVIDENCE = "evidence"
    PUSH = "push"
    PULL = "pull"


@unique
class Verdict(StrEnum):
    """What came of it; NOT_CHECKED says nothing of the device, so never "good"."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_CHECKED = "not-checked"


@dataclass(frozen=True, slots=True)
class AppraisalFailure:
    """One thing that did not hold, such as a PCR with another value."""

    type: str
    message: str


@dataclass(frozen=True, slots=True)
class Appraisal:
    """The verdict on one piece of evidence, under one version of a policy.

    ``compared`` names what was really held against the policy (``pcr:sha256:7``).
    Digests are 64 hexadecimal digits; ``at`` is seconds since 1970, UTC. The counters
    are those of the quote, None where the channel does not show it.

    Raises:
        PolicyError: Passed although nothing was compared, or something failed; or not
            checked although something was compared.
    """

    id: str
    guid: Guid
    channel: Channel
    verdict: Verdict
    compared: tuple[str, ...]
    failures: tuple[AppraisalFailure, ...]
    policy_name: str
    policy_version: int
    policy_digest: str
    evidence_digest: str
    at: int
    clock: int | None = None
    reset_count: int | None = None
    restart_count: int | None = None
    firmware: int | None = None

    def __post_init__(self) -> None:
        if self.verdict is Verdict.PASSED and (self.failures or not self.compared):
            raise PolicyError("an appraisal passes only if all that it compared held")
        if self.verdict is Verdict.NOT_CHECKED and self.compared:
            raise PolicyError("what compared something has checked it")
        for digest in (self.policy_digest, self.evidence_digest):
            if not _DIGEST.fullmatch(digest):
                raise PolicyError("digests are 64 lower-case hexadecimal digits")

    def to_json(self) -> dict[str, object]:
        return {
            "id": self.id,
            "guid": str(self.guid),
            "channel": self.channel.value,
            "verdict": self.verdict.value,
            "compared": list(self.compared),
            "failures": [[one.type, one.message] for one in self.failures],
            "policy_name": self.policy_name,
            "policy_version": self.policy_version,
            "policy_digest": self.policy_digest,
            "evidence_digest": self.evidence_digest,
            "at": self.at,
            "clock": self.clock,
            "reset_count": self.reset_count,
            "restart_count": self.restart_count,
            "firmware": self.firmware,
        }

    @classmethod
    def from_json(cls, document: object) -> Self:
        """Raises PolicyError on any other shape or value."""
        fields = JsonObject(document, _KEYS, "appraisal")
        try:
            guid = Guid.parse(fields.text("guid"))
            channel = Channel(fields.text("channel"))
            verdict = Verdict(fields.text("verdict"))
        except (MalformedError, ValueError) as error:
            raise PolicyError(f"appraisal: {error}") from error
        return cls(
            fields.text("id"),
            guid,
            channel,
            verdict,
            fields.texts("compared"),
            tuple(_failure(one) for one in fields.items("failures")),
            fields.text("policy_name"),
            fields.integer("policy_version"),
            fields.text("policy_digest"),
            fields.text("evidence_digest"),
            fields.integer("at"),
            fields.optional_integer("clock"),
            fields.optional_integer("reset_count"),
            fields.optional_integer("restart_count"),
            fields.optional_integer("firmware"),
        )


def _failure(item: object) -> AppraisalFailure:
    match item:
        case [str(kind), str(message)]:
            return AppraisalFailure(kind, message)
        case _:
            raise PolicyError("appraisal: a failure is a type and a message")


def conclude(
    valid: bool, compared: Sequence[str], failures: Sequence[AppraisalFailure]
) -> tuple[Verdict, tuple[AppraisalFailure, ...]]:
    """Turn a verifier's answer into a verdict: nothing compared is nothing checked.

    An invalid answer, or any failure, is FAILED.
    """
    if failures or not valid:
        said = tuple(failures) or (AppraisalFailure("invalid", "no reason was given"),)
        return Verdict.FAILED, said
    if not compared:
        nothing = AppraisalFailure(
            NOTHING_COMPARED, "nothing was compared, so nothing is shown"
        )
        return Verdict.NOT_CHECKED, (nothing,)
    return Verdict.PASSED, ()
