"""The evidence channel: a nonce for one quote, then the quote."""

import secrets
from dataclasses import dataclass, replace

from attestation.appraisal import Channel
from attestation.keylime.evidence import Evidence
from attestation.policy import AttestationPolicy
from hw.eventlog import MAX_LOG
from onboarding.services.appraising import Appraiser, Case
from onboarding.services.context import Context
from onboarding.services.device_api.requests import (
    DeviceCall,
    take_bytes,
    take_text,
)
from onboarding.services.errors import Problem
from onboarding.services.gate import Gate, Situation
from onboarding.services.ima_lists import ImaLists, SentLines
from onboarding.services.keylime_link import KeylimeLink, require
from onboarding.services.learning import Learner
from onboarding.services.withdrawing import Withdrawals
from onboarding.store.appraisals import AppraisalRecord, Outcome
from onboarding.store.bindings import BindingRecord
from onboarding.store.errors import NotFound, TokenRefused
from onboarding.store.ima_lists import MAX_PART
from ownership_vouchers import cbor

NONCE_SIZE = 32
TICKET = "attest-ticket"
_PART = 4096
UNJUDGED = ""  # in the place of a policy's digest
KEPT = "what the device shows was kept to draft a policy from; it is under none"
NOT_KEPT = "the quote is not one by the bound key, so nothing is learnt from it"


@dataclass(frozen=True, slots=True)
class Attesting:
    """A device that can attest: bound, and under a policy."""

    situation: Situation
    binding: BindingRecord
    policy: AttestationPolicy


def ready(situation: Situation, channel: Channel) -> Attesting:
    """Return what attesting needs.

    Raises:
        Problem: 409; says what is missing.
    """
    binding = bound(situation, channel)
    if situation.policy is None:
        raise Problem(
            409,
            "no-policy",
            "No attestation policy is assigned to this device.",
            remedy="PUT /api/v1/devices/{guid}/policy",
        )
    if channel is not Channel.EVIDENCE and situation.policy.needs_logs:
        raise Problem(
            409,
            "no-policy",
            f"Policy {situation.policy.name} needs logs, which the"
            f" {channel.value} channel does not carry.",
            remedy="Assign a policy of PCR values, or use the evidence channel.",
        )
    return Attesting(situation, binding, situation.policy)


def bound(situation: Situation, channel: Channel) -> BindingRecord:
    """Return the device's binding, which must be for this channel.

    Raises:
        Problem: 409; says what is missing.
    """
    if situation.binding is None:
        raise Problem(
            409,
            "not-bound",
            "This device has not shown that its key is in a TPM.",
            remedy="Onboard it with an agent that binds its TPM.",
        )
    if situation.binding.channel != channel.value:
        raise Problem(
            409,
            "other-channel",
            f"This device attests over the {situation.binding.channel} channel.",
            remedy="Use that channel, or another board profile.",
        )
    return situation.binding


class EvidenceChannel:
    """Nonces out, evidence in, verdicts stored."""

    def __init__(self, context: Context, gate: Gate, link: KeylimeLink | None) -> None:
        self._context = context
        self._gate = gate
        self._link = link
        self._learner = Learner(context)
        self._lists = ImaLists(context)
        self._withdrawals = Withdrawals(context, gate)

    def challenge(self, call: DeviceCall) -> dict[str, object]:
        """Say what to quote. The nonce is good for one quote under this policy."""
        situation = self._gate.situation(call.guid.raw)
        learning = self._learner.wanted(call.guid)
        if situation.policy is None and learning:
            bound(situation, Channel.EVIDENCE)
            asked = {"ima": False, "uefi": False, "policy": "", "version": 0}
            return {**asked, **Learner.asked(None), **self._promise(call, UNJUDGED)}
        attesting = ready(situation, Channel.EVIDENCE)
        policy = attesting.policy
        self._note_enrolment(call, attesting, self._context.now())
        kept = self._kept(call, policy)
        return {
            "bank": policy.bank,
            "pcrs": list(policy.quoted),
            "ima": policy.runtime_policy is not None,
            "uefi": policy.measured_boot is not None,
            "policy": policy.name,
            "version": policy.version,
            **kept,
            **(Learner.asked(policy) if learning else {}),
            **self._promise(call, policy.digest()),
        }

    def log(self, call: DeviceCall) -> dict[str, object]:
        """Keep lines of the IMA list that come ahead of a quote."""
        policy = ready(self._gate.situation(call.guid.raw), Channel.EVIDENCE).policy
        if policy.runtime_policy is None:
            raise Problem(
                409,
                "no-list-wanted",
                f"Policy {policy.name} does not look at the IMA list.",
                remedy="Ask attest/challenge what it looks at.",
            )
        return self._lists.append(call.guid.raw, policy.bank, _lines(call))

    def attest(self, call: DeviceCall) -> dict[str, object]:
        """Have the evidence judged; a failure takes the workload back at once."""
        situation = self._gate.situation(call.guid.raw)
        learning = self._learner.wanted(call.guid)
        if situation.policy is None and learning:
            return self._learn(call, bound(situation, Channel.EVIDENCE))
        attesting = ready(situation, Channel.EVIDENCE)
        nonce = self._spend(call, attesting.policy.digest())
        link = require(self._link)
        at = self._context.now()
        evidence = self._evidence(call, attesting.binding, nonce)
        evidence = replace(evidence, pcrs=attesting.policy.pcrs)
        if learning:
            self._learner.keep(call.guid, evidence, call.actor)
        case = Case(
            call.guid,
            attesting.binding,
            attesting.policy,
            Channel.EVIDENCE,
            evidence,
            at,
            sent=_lines(call),
        )
        with self._lists.turn(call.guid.raw):
            record = Appraiser(self._context, link.client).appraise(case, call.actor)
        if record.outcome is Outcome.FAILED:
            self._withdrawals.review(call.guid.raw, "task:appraisal")
        return _shown(record)

    def _learn(self, call: DeviceCall, binding: BindingRecord) -> dict[str, object]:
        """Keep what a device without a policy shows; that is no verdict on it."""
        evidence = self._evidence(call, binding, self._spend(call, UNJUDGED))
        kept = self._learner.keep(call.guid, evidence, call.actor)
        said = KEPT if kept else NOT_KEPT
        return {
            "verdict": Outcome.ERROR.value,
            "appraisal": "",
            "lease_expires": None,
            "compared": [],
            "failures": [["nothing-compared", said]],
        }

    def _kept(self, call: DeviceCall, policy: AttestationPolicy) -> dict[str, object]:
        """How far the logs are here already that the policy looks at."""
        kept: dict[str, object] = {}
        if policy.runtime_policy is not None:
            kept["ima_held"] = self._lists.held(call.guid.raw, policy.bank)
        if policy.measured_boot is not None:
            kept["uefi_held"] = self._context.stores.boot_logs.digest(call.guid.raw)
        return kept

    def _evidence(
        self, call: DeviceCall, binding: BindingRecord, nonce: bytes
    ) -> Evidence:
        body = call.body
        return Evidence(
            nonce,
            binding.ak_public,
            binding.ek_public,
            take_bytes(body, "message", _PART),
            take_bytes(body, "signature", _PART),
            take_bytes(body, "pcr_blob", _PART),
            {},
            uefi_log=self._uefi_log(call),
        )

    def _uefi_log(self, call: DeviceCall) -> bytes:
        """The event log that was sent, or the one that is kept and was named."""
        body = call.body
        if "uefi_digest" not in body:
            return cbor.bstr(body.get("uefi_log", b""), limit=MAX_LOG)
        try:
            digest = cbor.bstr(body["uefi_digest"], 32)
            return self._context.stores.boot_logs.get(call.guid.raw, digest)
        except NotFound as error:
            raise Problem(
                409,
                "boot-log-again",
                "That event log is not kept here.",
                remedy="Ask attest/challenge for a new nonce, and send the log.",
            ) from error

    def _promise(self, call: DeviceCall, digest: str) -> dict[str, object]:
        """A nonce, and the ticket that says for whom and under which policy."""
        now, nonce = self._context.now(), secrets.token_bytes(NONCE_SIZE)
        expires = now + self._context.settings.attest_challenge_seconds
        promised = cbor.encode([call.guid.raw, nonce, digest])
        ticket = self._context.server_keys.sealer(now).seal(TICKET, promised, expires)
        return {"nonce": nonce, "ticket": ticket, "expires": expires}

    def _note_enrolment(self, call: DeviceCall, attesting: Attesting, now: int) -> None:
        if attesting.situation.device.facts.enrolled_at is None:
            channel = Channel.EVIDENCE.value
            self._context.stores.devices.enrolled(
                call.guid.raw, channel, call.actor, now
            )

    def _spend(self, call: DeviceCall, policy_digest: str) -> bytes:
        now = self._context.now()
        ticket = take_text(call.body, "ticket", 4096)
        try:
            sealer = self._context.server_keys.sealer(now)
            opened = sealer.open(ticket, TICKET, now)
        except TokenRefused as error:
            raise _stale(str(error)) from error
        guid, nonce, digest = cbor.array(cbor.decode(opened.payload), 3)
        if guid != call.guid.raw:
            raise _stale("The nonce was given to another device.")
        if digest != policy_digest:
            raise _stale("Another policy was assigned meanwhile.")
        expires = now + self._context.settings.attest_challenge_seconds
        if not self._context.stores.runs.spend(opened.id, expires):
            raise _stale("The nonce was used before.")
        return cbor.bstr(nonce, NONCE_SIZE)


def _stale(detail: str) -> Problem:
    remedy = "Ask attest/challenge for a new nonce."
    return Problem(409, "nonce-refused", detail, remedy=remedy)


def _lines(call: DeviceCall) -> SentLines:
    """What of the IMA list came with a request. Raises MalformedError."""
    body = call.body
    return SentLines(
        cbor.uint(body.get("ima_first", 0), 32),
        cbor.bstr(body.get("ima_after", b""), limit=64),
        cbor.bstr(body.get("ima_log", b""), limit=MAX_PART),
    )


def _shown(record: AppraisalRecord) -> dict[str, object]:
    return {
        "verdict": record.outcome.value,
        "appraisal": record.id,
        "lease_expires": record.lease_expires,
        "compared": list(record.compared),
        "failures": [[one.kind, one.message] for one in record.failures],
    }
