"""Policies under observation: what they would say of the evidence that comes anyway."""

import logging

from attestation.appraisal import AppraisalFailure, conclude
from attestation.asking import UEFI, logs_of
from attestation.keylime.errors import KeylimeError
from attestation.policy import AttestationPolicy
from hw.quote import QuoteFacts
from onboarding.services.context import Context
from onboarding.services.errors import Problem
from onboarding.services.holding import Held, Observed
from onboarding.services.judging import Judge, Judged
from onboarding.store.appraisals import FailureRecord, Outcome
from onboarding.store.errors import NotFound
from onboarding.store.observations import ObservationRecord

NOT_CHECKED = "not-checked"
log = logging.getLogger(__name__)


class Observer:
    """Records what policies would have said; nothing is withdrawn for it."""

    def __init__(self, context: Context, judge: Judge) -> None:
        self._context = context
        self._judge = judge

    def observe(self, held: Held, actor: str) -> None:
        """Hold the evidence to every policy that is observed on the device.

        Evidence that is no quote of the bound TPM is no observation. Where Keylime does
        not answer, or a list is to come anew, there is none either: the last one ages.
        """
        facts = self._judge.facts if held.observed else None
        if facts is None or isinstance(facts, AppraisalFailure):
            return
        for one in held.observed:
            try:
                self._store(one, self._judged(one.policy, facts), actor)
            except (KeylimeError, NotFound, Problem) as error:
                guid = self._judge.seen.guid
                log.warning("not observed: %s in %s: %s", guid, one.cohort, error)

    def _judged(self, policy: AttestationPolicy, facts: QuoteFacts) -> Judged:
        lacking = self._lacking(policy, facts)
        if lacking:
            return Judged(failures=(AppraisalFailure(NOT_CHECKED, lacking),))
        return self._judge.judge(policy)

    def _lacking(self, policy: AttestationPolicy, facts: QuoteFacts) -> str:
        """What the evidence lacks that the policy is judged by; "" if nothing."""
        if facts.bank != policy.bank:
            return f"the quote is over bank {facts.bank}, the policy over {policy.bank}"
        if missing := sorted(set(policy.quoted) - facts.pcrs.keys()):
            return f"the quote does not hold PCR {missing[0]}"
        if UEFI in logs_of(policy) and not self._judge.seen.evidence.uefi_log:
            return "the device sent no event log of its boot"
        if policy.runtime_policy is not None and not self._has_list(policy.bank):
            return "the device sent no IMA list"
        return ""

    def _has_list(self, bank: str) -> bool:
        sent = self._judge.seen.sent
        if sent.lines or self._judge.has_read(bank):
            return True
        if not sent.first:  # it does not go on with what is kept
            return False
        try:
            kept = self._context.stores.ima_lists.get(self._judge.seen.guid.raw)
        except NotFound:
            return False
        return kept.bank == bank and kept.entries > 0

    def _store(self, one: Observed, judged: Judged, actor: str) -> None:
        seen = self._judge.seen
        verdict, said = conclude(judged.valid, judged.compared, judged.failures)
        outcome = Outcome(verdict.value)
        if any(failure.type == NOT_CHECKED for failure in said):
            outcome = Outcome.NOT_CHECKED
        self._context.stores.observations.put(
            ObservationRecord(
                seen.guid.raw,
                one.cohort,
                one.policy.name,
                one.policy.version,
                bytes.fromhex(one.policy.digest()),
                outcome,
                judged.compared,
                tuple(FailureRecord(each.type, each.message) for each in said),
                seen.digest,
                seen.at,
            ),
            actor,
        )
