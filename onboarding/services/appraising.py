"""From a piece of evidence to a stored appraisal: Keylime's verdict and our checks.

Keylime's stateless call says whether PCRs fit the policy. What it does not
know is ours: that the quote answers our nonce, that the TPM's counters and
clock went on from the last time, and what the event log of the boot says.
"""

import hashlib
import secrets
from dataclasses import dataclass, field, replace

from attestation.appraisal import Appraisal, AppraisalFailure, Channel, conclude
from attestation.boot_check import BootCheck, check_boot
from attestation.errors import Refused
from attestation.evidence_pack import Quote
from attestation.ima_check import ImaCheck
from attestation.keylime.client import KeylimeClient
from attestation.keylime.evidence import Evidence, EvidenceMismatch
from attestation.keylime.results import Failure
from attestation.policy import AttestationPolicy
from attestation.quote_rules import Counters, check_advance
from hw.errors import HwError
from hw.public_area import PublicArea
from hw.quote import QuoteFacts, check_quote
from onboarding.services import rows
from onboarding.services.context import Context
from onboarding.services.ima_lists import ImaLists, SentLines
from onboarding.store.appraisals import AppraisalRecord, Outcome
from onboarding.store.bindings import BindingRecord
from onboarding.store.errors import NotFound
from ownership_vouchers.types import Guid

_Judged = tuple[bool, tuple[str, ...], tuple[AppraisalFailure, ...]]
"""Valid, what was compared, what failed."""


@dataclass(frozen=True, slots=True)
class Case:
    """What is to be judged: whose evidence, under which policy, when it came.

    ``pass_expected`` is False when Keylime has failed the evidence already: its
    stateless call is then asked for reasons only.
    """

    guid: Guid
    binding: BindingRecord
    policy: AttestationPolicy
    channel: Channel
    evidence: Evidence = field(repr=False)
    at: int
    pass_expected: bool = True
    sent: SentLines = field(default_factory=SentLines)  # more of the list is kept

    @property
    def digest(self) -> bytes:
        """SHA-256 of what the TPM said; its PCRs stand for the logs."""
        said = self.evidence
        return hashlib.sha256(said.message + said.signature + said.pcr_blob).digest()


class Appraiser:
    """Judges evidence and stores what came of it."""

    def __init__(self, context: Context, client: KeylimeClient) -> None:
        self._context = context
        self._client = client
        self._lists = ImaLists(context)

    def appraise(self, case: Case, actor: str) -> AppraisalRecord:
        """Judge, store, return.

        Raises:
            KeylimeError: Keylime gave no verdict; nothing is stored.
            NotFound: The device is not bound (any more).
        """
        failures, facts = self._own_checks(case)
        valid = False
        compared: tuple[str, ...] = ()
        if facts is not None and not failures:
            valid, compared, failures = self._judge(case, facts)
        if not case.pass_expected and not failures:
            failures = (
                AppraisalFailure("push.failed", "Keylime failed it and gave no reason"),
            )
        verdict, said = conclude(valid, compared, failures)
        appraisal = Appraisal(
            secrets.token_hex(16),
            case.guid,
            case.channel,
            verdict,
            compared,
            said,
            case.policy.name,
            case.policy.version,
            case.policy.digest(),
            case.digest.hex(),
            case.at,
            *(None, None, None, None)
            if facts is None
            else (facts.clock, facts.reset_count, facts.restart_count, facts.firmware),
        )
        lease = case.policy.lease_seconds if verdict == Outcome.PASSED.value else None
        record = rows.appraisal_record(appraisal, lease)
        # Kept if the TPM really said it: anybody could make up anything else.
        quote = None if facts is None else _kept(case.evidence)
        self._context.stores.appraisals.add(record, actor, quote)
        return record

    def _judge(self, case: Case, facts: QuoteFacts) -> _Judged:
        """Our reading of the logs, then Keylime's of the quote; either may fail."""
        policy, logs = case.policy, BootCheck(())
        pinned = dict(policy.pcrs)
        if policy.measured_boot is not None:
            log = case.evidence.uefi_log
            logs = check_boot(policy.measured_boot, policy.bank, log, facts.pcrs)
            if logs.failures:
                return False, (), logs.failures
            self._keep(case)
            # They are what the log gives: so Keylime holds the quote to the log.
            pinned |= {pcr: (facts.pcrs[pcr],) for pcr in policy.measured_boot.pcrs}
        evidence, ran = replace(case.evidence, pcrs=pinned), ImaCheck(())
        if policy.runtime_policy is not None:
            guid = case.guid.raw
            ran = self._lists.judge(guid, policy.bank, case.sent, facts)
            if ran.failures:
                return False, (), ran.failures
            evidence = replace(
                evidence,
                ima_log=self._lists.covered(guid),
                runtime_policy=self._runtime(policy.runtime_policy),
            )
        valid, failures = self._ask(evidence)
        return valid, (*policy.required, *_counted(logs, ran)), failures

    def _runtime(self, digest: str) -> str:
        body = self._context.stores.runtime_policies.get(bytes.fromhex(digest))
        return body.decode()

    def _keep(self, case: Case) -> None:
        """Keep an event log that gives what was quoted: it need not come again."""
        log, logs = case.evidence.uefi_log, self._context.stores.boot_logs
        if hashlib.sha256(log).digest() != logs.digest(case.guid.raw):
            logs.put(case.guid.raw, log, case.at)

    def _ask(self, evidence: Evidence) -> tuple[bool, tuple[AppraisalFailure, ...]]:
        # Keylime would only replay it: what it says has been judged by us.
        try:
            verdict = self._client.verify_evidence(replace(evidence, uefi_log=b""))
        except EvidenceMismatch as error:
            return False, (AppraisalFailure("evidence.mismatch", str(error)),)
        return verdict.valid, tuple(_failure(one) for one in verdict.failures)

    def _own_checks(
        self, case: Case
    ) -> tuple[tuple[AppraisalFailure, ...], QuoteFacts | None]:
        said = case.evidence
        try:
            ak = PublicArea.from_bytes(case.binding.ak_public)
            facts = check_quote(
                ak, said.message, said.signature, said.pcr_blob, said.nonce
            )
        except HwError as error:
            return (AppraisalFailure("quote.refused", str(error)),), None
        try:
            check_advance(self._last_counters(case), _counters(facts))
        except Refused as error:
            # Its counters are not kept: the next quote must follow the good ones.
            return (AppraisalFailure(error.code.value, error.sentence),), None
        return (), facts

    def _last_counters(self, case: Case) -> Counters | None:
        """The counters of the last genuine quote by the same attestation key."""
        appraisals = self._context.stores.appraisals
        try:
            last = appraisals.last_counted(case.guid.raw, case.binding.bound_at)
        except NotFound:
            return None
        kept = (last.clock, last.reset_count, last.restart_count, last.firmware)
        return Counters(*(number or 0 for number in kept))  # all four or none


def _counted(logs: BootCheck, ran: ImaCheck) -> tuple[str, ...]:
    """How ``compared`` tells how much of a log there was, and which boot it is."""
    boot = (f"boot-events:{logs.events}", f"boot-is:{logs.boot}")
    ima = f"ima-entries:{ran.entries}"
    return (*(boot if logs.events else ()), *([ima] if ran.entries else []))


def _kept(said: Evidence) -> bytes:
    return Quote(said.nonce, said.message, said.signature, said.pcr_blob).encode()


def _counters(facts: QuoteFacts) -> Counters:
    return Counters(facts.clock, facts.reset_count, facts.restart_count, facts.firmware)


def _failure(failure: Failure) -> AppraisalFailure:
    if failure.pcr is None:
        return AppraisalFailure(failure.type, failure.message)
    return AppraisalFailure(
        failure.type, f"PCR {failure.pcr} holds another value than the policy allows"
    )
