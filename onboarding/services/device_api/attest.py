"""The evidence channel: a nonce for one quote, then the quote."""

import secrets
from dataclasses import dataclass

from attestation.appraisal import Channel
from attestation.keylime.evidence import MAX_LOG_BYTES, Evidence
from attestation.keylime.tpm_policy import PcrPolicy
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
from onboarding.services.keylime_link import KeylimeLink, require
from onboarding.services.learning import Learner
from onboarding.services.withdrawing import Withdrawals
from onboarding.store.appraisals import AppraisalRecord, Outcome
from onboarding.store.bindings import BindingRecord
from onboarding.store.errors import TokenRefused
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
        return {
            "bank": policy.bank,
            "pcrs": list(policy.quoted),
            "ima": policy.runtime_policy is not None,
            "uefi": policy.measured_boot is not None,
            "policy": policy.name,
            "version": policy.version,
            **(Learner.asked(policy) if learning else {}),
            **self._promise(call, policy.digest()),
        }

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
        evidence = _evidence(call, attesting.binding, nonce, attesting.policy.pcrs)
        if learning:
            self._learner.keep(call.guid, evidence, call.actor)
        case = Case(
            call.guid,
            attesting.binding,
            attesting.policy,
            Channel.EVIDENCE,
            evidence,
            at,
        )
        record = Appraiser(self._context, link.client).appraise(case, call.actor)
        if record.outcome is Outcome.FAILED:
            self._withdrawals.review(call.guid.raw, "task:appraisal")
        return _shown(record)

    def _learn(self, call: DeviceCall, binding: BindingRecord) -> dict[str, object]:
        """Keep what a device without a policy shows; that is no verdict on it."""
        evidence = _evidence(call, binding, self._spend(call, UNJUDGED), {})
        kept = self._learner.keep(call.guid, evidence, call.actor)
        said = KEPT if kept else NOT_KEPT
        return {
            "verdict": Outcome.ERROR.value,
            "appraisal": "",
            "lease_expires": None,
            "compared": [],
            "failures": [["nothing-compared", said]],
        }

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


def _evidence(
    call: DeviceCall, binding: BindingRecord, nonce: bytes, pcrs: PcrPolicy
) -> Evidence:
    body = call.body
    log = cbor.tstr(body.get("ima_log", ""), MAX_LOG_BYTES)
    return Evidence(
        nonce,
        binding.ak_public,
        binding.ek_public,
        take_bytes(body, "message", _PART),
        take_bytes(body, "signature", _PART),
        take_bytes(body, "pcr_blob", _PART),
        pcrs,
        ima_log=log,
        uefi_log=cbor.bstr(body.get("uefi_log", b""), limit=MAX_LOG),
    )


def _shown(record: AppraisalRecord) -> dict[str, object]:
    return {
        "verdict": record.outcome.value,
        "appraisal": record.id,
        "lease_expires": record.lease_expires,
        "compared": list(record.compared),
        "failures": [[one.kind, one.message] for one in record.failures],
    }
