"""What Keylime tells us, as values."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum, unique
from typing import Self

_PCR_EVENT = re.compile(r"[a-z_]+\.invalid_pcr_(\d{1,2})", re.ASCII)


@unique
class VerifierMode(StrEnum):
    """A verifier process runs in one of the two."""

    PUSH = "push"
    PULL = "pull"


@dataclass(frozen=True, slots=True)
class KeylimeVersion:
    """API versions of the registrar, and the mode the verifier is in."""

    current: str
    supported: tuple[str, ...]
    mode: VerifierMode


@dataclass(frozen=True, slots=True)
class Failure:
    """One thing Keylime found wrong."""

    type: str  # Keylime's event id, as "pcr_validation.invalid_pcr_16"
    message: str  # a sentence for people
    context: str  # Keylime's own particulars, a JSON text

    @property
    def pcr(self) -> int | None:
        """The PCR that does not hold an allowed value, if that is what failed."""
        match = _PCR_EVENT.fullmatch(self.type)
        return int(match[1]) if match else None


NO_SUCH_LIST = "ima.pcr_mismatch"  # the list does not give PCR 10


@dataclass(frozen=True, slots=True)
class EvidenceVerdict:
    """Keylime's answer on one piece of evidence."""

    valid: bool
    failures: tuple[Failure, ...]  # empty if and only if valid

    @classmethod
    def of(cls, failures: tuple[Failure, ...], *, listed: bool) -> Self:
        """The verdict on evidence; ``listed``: an IMA list was handed over with it.

        A quote may hold PCR 10 for a policy that is only observed. Keylime then misses
        a list that it was not asked to judge, which says nothing of the device.
        """
        told = (one for one in failures if listed or one.type != NO_SUCH_LIST)
        found = tuple(told)
        return cls(not found, found)


@dataclass(frozen=True, slots=True)
class Contact:
    """Where a pull agent is reached, and its certificate (PEM), which is pinned."""

    host: str
    port: int
    certificate: str


@dataclass(frozen=True, slots=True)
class RegisteredAgent:
    """An activated entry of the registrar; TPM2B_PUBLIC and DER octets.

    ``contact`` is None of an agent that is not to be called.
    """

    agent_id: str
    ek_public: bytes
    ek_certificate: bytes | None
    ak_public: bytes
    registrations: int
    contact: Contact | None = None


@unique
class AgentState(StrEnum):
    """Keylime's summary of a push agent. FAIL stays until it is enrolled anew."""

    PENDING = "PENDING"
    PASS = "PASS"  # noqa: S105 - not a password
    FAIL = "FAIL"
    TIMEOUT = "TIMEOUT"


@dataclass(frozen=True, slots=True)
class AgentStatus:
    """The verifier's entry of one agent."""

    state: AgentState
    passed: int  # attestations that passed since enrolment
    last_received: datetime | None
    last_passed: datetime | None
    tpm_policy: str  # JSON text, as enrolled
    held_to: str = ""  # digest of our policy that it was enrolled under
    second: bool = False  # it comes after another that just failed
    lists: bool = False  # it is held to what may run
    boots: bool = False  # it is held to what may boot


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What the verifier holds an agent to."""

    tpm_policy: str  # JSON text
    held_to: str = ""  # digest of our policy; "" where it names none


@dataclass(frozen=True, slots=True)
class PullStatus:
    """The verifier's entry of an agent that it calls.

    ``attestation_status`` says PASS as soon as it is enrolled, so it is not read: what
    counts is when a quote passed last.
    """

    failed: bool  # it has stopped calling
    passed: int  # quotes that passed since enrolment
    last_received: datetime | None
    last_passed: datetime | None
    tpm_policy: str  # JSON text, as enrolled
    event: str  # Keylime's id of what failed last; it stays after a recovery
    held_to: str = ""  # digest of our policy that it was enrolled under
    second: bool = False  # it comes after another that just failed
    lists: bool = False  # it is held to what may run
    boots: bool = False  # it is held to what may boot


@unique
class Stage(StrEnum):
    """How far an attestation on the push channel has come."""

    AWAITING = "awaiting_evidence"
    EVALUATING = "evaluating_evidence"
    COMPLETE = "verification_complete"


@unique
class Evaluation(StrEnum):
    """Keylime's verdict on an attestation, once its stage is COMPLETE."""

    PENDING = "pending"
    PASS = "pass"  # noqa: S105 - not a password
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class QuoteParts:
    """A quote with what it answers, for checks of our own and for asking again."""

    challenge: bytes
    bank: str
    message: bytes  # TPMS_ATTEST
    signature: bytes  # TPMT_SIGNATURE
    pcr_blob: bytes  # values, in the layout of tpm2-tools


@dataclass(frozen=True, slots=True)
class PushedList:
    """Lines of an IMA list as they were pushed, from entry number ``first`` on."""

    first: int
    lines: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class PushAttestation:
    """One attestation on the push channel; why it failed Keylime does not say.

    Send ``quote`` through ``verify_evidence`` to learn which PCR it was.
    """

    index: int  # counts up from 0 in each enrolment
    stage: Stage
    evaluation: Evaluation
    evidence_received: datetime | None
    quote: QuoteParts | None  # None until the evidence has been received
    listed: PushedList | None = None  # None where no IMA list was asked for
    uefi_log: bytes = field(default=b"", repr=False)  # empty where none was asked for

    @property
    def passed(self) -> bool:
        return self.stage is Stage.COMPLETE and self.evaluation is Evaluation.PASS

    @property
    def failed(self) -> bool:
        return self.stage is Stage.COMPLETE and self.evaluation is Evaluation.FAIL
