"""From a piece of evidence to a stored appraisal: Keylime's verdict and our checks.

Keylime's stateless call says whether PCRs fit the policy. What it does not
know is ours: that the quote answers our nonce, that the TPM's counters and
clock went on from the last time, and what the event log of the boot says.
"""

from dataclasses import dataclass

from attestation.appraisal import Appraisal, AppraisalFailure, Channel, conclude
from attestation.errors import Refused
from attestation.evidence_pack import Quote
from attestation.keylime.evidence import Evidence
from attestation.policy import AttestationPolicy
from attestation.quote_rules import Counters, check_advance
from hw.quote import QuoteFacts
from onboarding.services import rows
from onboarding.services.context import Context
from onboarding.services.errors import Problem
from onboarding.services.holding import Updating, lease
from onboarding.services.judging import Judge, Judged, Seen
from onboarding.store.appraisals import AppraisalRecord, Outcome, new_id
from onboarding.store.bindings import BindingRecord
from onboarding.store.errors import NotFound

_UNTOLD = (
    "Keylime's verifier failed it and tells no reason, and what the owner sees of it is"
    " as the policy says: see that verifier's log, then have the device attest again"
)


@dataclass(frozen=True, slots=True)
class Case:
    """What is to be judged, under which policy.

    ``update`` is the window in which another policy counts as well; ``in_turn``: but
    ``policy`` alone was tried, whichever of the two it is. ``pass_expected`` is False
    when Keylime has failed the evidence already: its stateless call is then asked for
    reasons only.
    """

    seen: Seen
    binding: BindingRecord
    policy: AttestationPolicy
    channel: Channel
    update: Updating | None = None
    pass_expected: bool = True
    in_turn: bool = False

    @property
    def policies(self) -> tuple[AttestationPolicy, ...]:
        """Policies that it may be appraised under, one after the other."""
        update = None if self.in_turn else self.update
        if update is None or self.seen.at >= update.until:
            return (self.policy,)
        return (self.policy, update.policy)


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict before it is stored; ``by_policy``: the quote itself was good."""

    record: AppraisalRecord
    quote: bytes | None
    channel: Channel
    by_policy: bool

    @property
    def passed(self) -> bool:
        return self.record.outcome is Outcome.PASSED


class Appraiser:
    """Judges evidence and stores what came of it."""

    def __init__(self, context: Context, judge: Judge) -> None:
        self._context = context
        self._judge = judge

    def appraise(self, case: Case, actor: str) -> AppraisalRecord:
        """Judge, store, return.

        Raises:
            KeylimeError: Keylime gave no verdict; nothing is stored.
            Problem: 409; it was judged before.
            NotFound: The device is not bound (any more).
        """
        return keep(self._context, self.judge(case), actor)

    def judge(self, case: Case) -> Judgement:
        """Judge, and store nothing. Raises KeylimeError: there is no verdict."""
        with self._context.spans.span("appraisal", case.seen.guid.raw) as note:
            made = self._judged(case)
            record = made.record
            note(verdict=record.outcome.value, policy=record.policy_name)
            return made

    def _judged(self, case: Case) -> Judgement:
        failures, facts = self._own_checks(case)
        policy, judged = case.policy, Judged(failures=failures)
        by_policy = facts is not None and not failures
        if by_policy:
            policy, judged = self._held(case)
        failures = judged.failures
        if not case.pass_expected and not failures:
            failures = (AppraisalFailure("push.failed", _UNTOLD),)
        verdict, said = conclude(judged.valid, judged.compared, failures)
        appraisal = Appraisal(
            new_id(),
            case.seen.guid,
            case.channel,
            verdict,
            judged.compared,
            said,
            policy.name,
            policy.version,
            policy.digest(),
            case.seen.digest.hex(),
            case.seen.at,
            *(None, None, None, None)
            if facts is None
            else (facts.clock, facts.reset_count, facts.restart_count, facts.firmware),
        )
        passed = verdict == Outcome.PASSED.value
        holds = lease(policy, case.update, case.seen.at) if passed else None
        record = rows.appraisal_record(appraisal, holds, case.binding.ek_class)
        # Kept if the TPM really said it: anybody could make up anything else.
        quote = None if facts is None else _kept(case.seen.evidence)
        return Judgement(record, quote, case.channel, by_policy)

    def _held(self, case: Case) -> tuple[AttestationPolicy, Judged]:
        """Against the policy; in an update window, if that fails, the one before."""
        first = self._judge.judge(case.policy)
        for policy in () if first.passed else case.policies[1:]:
            judged = self._judge.judge(policy)
            if judged.passed:
                return policy, judged
        return case.policy, first

    def _own_checks(
        self, case: Case
    ) -> tuple[tuple[AppraisalFailure, ...], QuoteFacts | None]:
        facts = self._judge.facts
        if isinstance(facts, AppraisalFailure):
            return (facts,), None
        last = self._last_counted(case)
        if last is not None and case.channel is Channel.EVIDENCE:
            _require_new(last, case.seen)
        try:
            check_advance(_counted(last), _counters(facts))
        except Refused as error:
            # Its counters are not kept: the next quote must follow the good ones.
            return (AppraisalFailure(error.code.value, error.sentence),), None
        return (), facts

    def _last_counted(self, case: Case) -> AppraisalRecord | None:
        """The last genuine quote by the same attestation key."""
        appraisals = self._context.stores.appraisals
        try:
            return appraisals.last_counted(case.seen.guid.raw, case.binding.bound_at)
        except NotFound:
            return None


def keep(context: Context, made: Judgement, actor: str) -> AppraisalRecord:
    """Store a verdict. Raises NotFound: the device is not bound (any more)."""
    context.stores.appraisals.add(made.record, actor, made.quote)
    told = made.channel.value, made.record.outcome.value
    context.meters.appraisals.labels(*told).inc()
    return made.record


def _require_new(last: AppraisalRecord, seen: Seen) -> None:
    """Refuse a quote that was judged, should its nonce's use have been forgotten.

    Nonces that were used are not kept for good: the clock may be put back since, and
    what remembers them may be lost. It is no failure, or a stranger could cause one.

    Raises:
        Problem: 409.
    """
    if last.evidence_digest == seen.digest:
        raise Problem(
            409,
            "nonce-refused",
            "This very quote was judged before.",
            remedy="Ask attest/challenge for a new nonce.",
        )


def _counted(last: AppraisalRecord | None) -> Counters | None:
    if last is None:
        return None
    kept = (last.clock, last.reset_count, last.restart_count, last.firmware)
    return Counters(*(number or 0 for number in kept))  # all four or none


def _kept(said: Evidence) -> bytes:
    return Quote(said.nonce, said.message, said.signature, said.pcr_blob).encode()


def _counters(facts: QuoteFacts) -> Counters:
    return Counters(facts.clock, facts.reset_count, facts.restart_count, facts.firmware)
