"""The evidence channel: a nonce for one quote, then the quote."""

import secrets
from dataclasses import replace

from attestation.appraisal import Channel
from attestation.asking import IMA, UEFI, Asking
from attestation.keylime.evidence import Evidence
from hw.eventlog import MAX_LOG
from onboarding.services.appraising import Appraiser, Case
from onboarding.services.context import Context
from onboarding.services.device_api.image import image_reported
from onboarding.services.device_api.readiness import Attesting, bound, ready
from onboarding.services.device_api.requests import (
    DeviceCall,
    take_bytes,
    take_text,
)
from onboarding.services.errors import Problem
from onboarding.services.gate import Gate, Standing
from onboarding.services.ima_lists import ImaLists, SentLines
from onboarding.services.judging import Judge, Seen
from onboarding.services.keylime_link import KeylimeLink, require
from onboarding.services.learning import Learner
from onboarding.services.observing import Observer
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
OBSERVED = "the device is under no policy; what it shows was held to those observed"
KEPT = "what the device shows was kept to draft a policy from; it is under none"
NOT_KEPT = "the quote is not one by the bound key, so nothing is learnt from it"


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
        standing = self._gate.standing(call.guid.raw)
        asking = standing.held.asking(learn=standing.learning)
        asked = {**asking.to_item(), **self._kept(call, asking)}
        if _only_looked_at(standing):
            bound(standing, Channel.EVIDENCE)
            nothing = {"policy": "", "version": 0}
            return {**asked, **nothing, **self._promise(call, UNJUDGED)}
        attesting = ready(standing, Channel.EVIDENCE)
        policy = attesting.policy
        self._note_enrolment(call, attesting, self._context.now())
        named = {"policy": policy.name, "version": policy.version}
        return {**asked, **named, **self._promise(call, policy.digest())}

    def log(self, call: DeviceCall) -> dict[str, object]:
        """Keep lines of the IMA list that come ahead of a quote."""
        standing = self._gate.standing(call.guid.raw)
        asking = standing.held.asking(learn=standing.learning)
        if not _only_looked_at(standing):
            ready(standing, Channel.EVIDENCE)
        if IMA not in asking.logs | asking.optional_logs:
            raise Problem(
                409,
                "no-list-wanted",
                "Nothing that this device is held to looks at the IMA list.",
                remedy="Ask attest/challenge what is looked at.",
            )
        return self._lists.append(call.guid.raw, asking.bank, _lines(call))

    def attest(self, call: DeviceCall) -> dict[str, object]:
        """Have the evidence judged; a failure takes the workload back at once."""
        standing = self._gate.standing(call.guid.raw)
        if _only_looked_at(standing):
            return self._look(call, standing)
        nonce = self._spend(call, ready(standing, Channel.EVIDENCE).policy.digest())
        if image_reported(self._context, call, standing.held):
            standing = self._gate.standing(call.guid.raw)
        attesting = ready(standing, Channel.EVIDENCE)
        evidence = self._evidence(call, attesting.binding, nonce)
        evidence = replace(evidence, pcrs=attesting.policy.pcrs)
        judge, update = self._judge(call, evidence), standing.held.update
        case = Case(
            judge.seen, attesting.binding, attesting.policy, Channel.EVIDENCE, update
        )
        with self._lists.turn(call.guid.raw):
            if standing.learning:
                self._learner.keep(judge, call.actor)
            record = Appraiser(self._context, judge).appraise(case, call.actor)
        if record.outcome is Outcome.FAILED:
            self._withdrawals.review(call.guid.raw, "task:appraisal")
        self._observe(call, standing, judge)
        return _shown(record)

    def _look(self, call: DeviceCall, standing: Standing) -> dict[str, object]:
        """Look at what a device under no policy shows; that is no verdict on it."""
        binding = bound(standing, Channel.EVIDENCE)
        evidence = self._evidence(call, binding, self._spend(call, UNJUDGED))
        said, judge = OBSERVED, self._judge(call, evidence)
        if standing.learning:
            with self._lists.turn(call.guid.raw):
                kept = self._learner.keep(judge, call.actor)
            said = KEPT if kept else NOT_KEPT
        self._observe(call, standing, judge)
        return {
            "verdict": Outcome.NOT_CHECKED.value,
            "appraisal": "",
            "lease_expires": None,
            "compared": [],
            "failures": [["nothing-compared", said]],
        }

    def _judge(self, call: DeviceCall, evidence: Evidence) -> Judge:
        seen = Seen(call.guid, evidence, self._context.now(), _lines(call))
        return Judge(self._context, require(self._link).client, seen)

    def _observe(self, call: DeviceCall, standing: Standing, judge: Judge) -> None:
        if standing.held.observed:
            with self._lists.turn(call.guid.raw):
                observer = Observer(self._context, judge)
                observer.observe(standing.held, call.actor)

    def _kept(self, call: DeviceCall, asking: Asking) -> dict[str, object]:
        """How far the logs are here already that are asked for."""
        wanted, kept = asking.logs | asking.optional_logs, dict[str, object]()
        if IMA in wanted:
            kept["ima_held"] = self._lists.held(call.guid.raw, asking.bank)
        if UEFI in wanted:
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
        if attesting.standing.device.facts.enrolled_at is None:
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


def _only_looked_at(standing: Standing) -> bool:
    """Whether the device is under no policy, and is asked all the same."""
    held = standing.held
    return held.policy is None and (standing.learning or bool(held.observed))


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
