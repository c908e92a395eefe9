"""One piece of evidence against policies: our reading of its logs, then Keylime's.

No verdict is stored here, and nothing follows from one. What is kept is of the logs:
what the quote shows to be true need not come again.
"""

import hashlib
import time
from dataclasses import dataclass, field, replace
from functools import cached_property

from attestation.appraisal import AppraisalFailure
from attestation.boot_check import BootCheck, check_boot
from attestation.ima_check import ImaCheck
from attestation.keylime.client import KeylimeClient
from attestation.keylime.evidence import Evidence, EvidenceMismatch
from attestation.keylime.results import NO_SUCH_LIST, Failure
from attestation.policy import AttestationPolicy
from attestation.policy_check import differing
from hw.errors import HwError
from hw.public_area import PublicArea
from hw.quote import QuoteFacts, check_quote
from onboarding.services.context import Context
from onboarding.services.ima_lists import ImaLists, SentLines
from ownership_vouchers.types import Guid


@dataclass(frozen=True, slots=True)
class ListVerdict:
    """What a verifier that keeps the list's state said of it, held to ``runtime``.

    ``lines`` are those that came last, from entry number ``first`` on.
    """

    runtime: str
    passed: bool
    first: int
    lines: str = field(repr=False)

    @property
    def entries(self) -> int:
        """Entries of the list that there were."""
        return self.first + self.lines.count("\n")


@dataclass(frozen=True, slots=True)
class Seen:
    """Evidence as it came: from whom, when, and with which lines of the IMA list."""

    guid: Guid
    evidence: Evidence = field(repr=False)
    at: int
    sent: SentLines = field(default_factory=SentLines)  # more of the list is kept
    listed: ListVerdict | None = None  # None: the list is for us to judge

    @property
    def digest(self) -> bytes:
        """SHA-256 of what the TPM said; its PCRs stand for the logs."""
        said = self.evidence
        return hashlib.sha256(said.message + said.signature + said.pcr_blob).digest()


@dataclass(frozen=True, slots=True)
class Judged:
    """Whether it is valid, what was compared to say so, and what failed."""

    valid: bool = False
    compared: tuple[str, ...] = ()
    failures: tuple[AppraisalFailure, ...] = ()

    @property
    def passed(self) -> bool:
        return self.valid and bool(self.compared) and not self.failures


class Judge:
    """Holds one piece of evidence to as many policies as there are to ask of it."""

    def __init__(self, context: Context, client: KeylimeClient, seen: Seen) -> None:
        self.seen = seen
        self._spans, self._taken = context.spans, context.meters.keylime
        self._stores = context.stores
        self._client = client
        self._lists = ImaLists(context)
        self._ran: dict[str, ImaCheck] = {}  # by bank; a list goes on only once
        self._missed = set[str]()  # banks of lists that do not go on

    @cached_property
    def facts(self) -> QuoteFacts | AppraisalFailure:
        """What the bound key signed over our nonce, or how it is refused."""
        said = self.seen.evidence
        try:
            ak = PublicArea.from_bytes(said.ak_public)
            return check_quote(
                ak, said.message, said.signature, said.pcr_blob, said.nonce
            )
        except HwError as error:
            return AppraisalFailure("quote.refused", str(error))

    def judge(self, policy: AttestationPolicy) -> Judged:
        """Hold the evidence to a policy.

        Raises:
            KeylimeError: No verdict.
            Problem: The IMA list is to be sent anew, or is too long.
        """
        facts, logs, pinned = self.facts, BootCheck(()), dict(policy.pcrs)
        if isinstance(facts, AppraisalFailure):
            return Judged(failures=(facts,))
        if policy.measured_boot is not None:
            log = self.seen.evidence.uefi_log
            logs = check_boot(policy.measured_boot, policy.bank, log, facts.pcrs)
            if logs.failures:
                return Judged(failures=logs.failures)
            self._keep(log)
            # They are what the log gives: so Keylime holds the quote to the log.
            pinned |= {pcr: (facts.pcrs[pcr],) for pcr in policy.measured_boot.pcrs}
        said, ran = replace(self.seen.evidence, pcrs=pinned), ImaCheck(())
        listed = self.seen.listed
        if listed is not None and listed.runtime == policy.runtime_policy:
            return self._by_verifier(policy, said, listed, logs)
        if policy.runtime_policy is not None:
            ran = self._read(policy.bank, facts)
            if ran.failures:
                return Judged(failures=ran.failures)
            said = self._with_list(said, ran.entries, policy.runtime_policy)
        valid, failures = self._ask(said)
        failures = _with_ours(failures, differing(pinned, facts))
        return Judged(
            valid and not failures, (*policy.required, *_counted(logs, ran)), failures
        )

    def has_read(self, bank: str) -> bool:
        """Whether the list was held to the quote already, for another policy."""
        return bank in self._ran

    def keep_list(self) -> None:
        """Keep the IMA list that came, as far as the quote bears it out.

        Raises:
            Problem: It is to be sent anew, or is too long.
        """
        facts, sent = self.facts, self.seen.sent
        if isinstance(facts, QuoteFacts) and (sent.lines or sent.first):
            self._read(facts.bank, facts)

    def _by_verifier(
        self,
        policy: AttestationPolicy,
        said: Evidence,
        listed: ListVerdict,
        logs: BootCheck,
    ) -> Judged:
        """All but the whole list by us and the stateless call; that, by the verifier.

        Its word is not enough: the list has to go on from what is kept of it to the
        quote, if those lines were seen, and whatever came last has to be allowed. So
        its false verdicts are found out, and a failure, which it gives no reason for,
        is told by name.
        """
        ran = self._followed(policy.bank, listed)
        if ran is not None and ran.failures:
            return Judged(failures=ran.failures)
        facts = self.facts
        assert isinstance(facts, QuoteFacts)  # noqa: S101 - looked at before
        valid, failures = self._ask(said)
        failures = _with_ours(failures, differing(said.pcrs, facts))
        entries = listed.entries if ran is None else ran.entries
        counted = (*_counted(logs, ImaCheck(())), f"ima-entries:{entries}")
        compared = (*policy.required, *counted) if listed.passed else ()
        if not failures and (listed.lines or not listed.passed):
            failures = self._not_allowed(said, listed)
        return Judged(valid and not failures, compared, failures)

    def _not_allowed(
        self, said: Evidence, listed: ListVerdict
    ) -> tuple[AppraisalFailure, ...]:
        """What the stateless call says of the lines that came last.

        What it says of files is true of a part, of the PCR only of a whole list.
        """
        digest = bytes.fromhex(listed.runtime)
        body = self._stores.runtime_policies.get(digest).decode()
        shown = replace(said, ima_log=listed.lines, runtime_policy=body)
        _, found = self._ask(shown)
        part = listed.first > 0
        return tuple(one for one in found if not part or one.type != NO_SUCH_LIST)

    def _followed(self, bank: str, listed: ListVerdict) -> ImaCheck | None:
        """The list held to the quote, once; None where lines of it were missed."""
        if bank not in self._ran and bank not in self._missed:
            facts, guid = self.facts, self.seen.guid.raw
            assert isinstance(facts, QuoteFacts)  # noqa: S101 - looked at before
            sent = SentLines(listed.first, lines=listed.lines.encode())
            ran = self._lists.followed(guid, bank, sent, facts)
            if ran is None:
                self._missed.add(bank)
            else:
                self._ran[bank] = ran
        return self._ran.get(bank)

    def _read(self, bank: str, facts: QuoteFacts) -> ImaCheck:
        """Go on with the list that is kept, the first time that it is looked at."""
        if bank not in self._ran:
            guid, sent = self.seen.guid.raw, self.seen.sent
            self._ran[bank] = self._lists.judge(guid, bank, sent, facts)
        return self._ran[bank]

    def _with_list(self, said: Evidence, entries: int, digest: str) -> Evidence:
        body = self._stores.runtime_policies.get(bytes.fromhex(digest)).decode()
        covered = self._lists.covered(self.seen.guid.raw, entries)
        return replace(said, ima_log=covered, runtime_policy=body)

    def _keep(self, log: bytes) -> None:
        """Keep an event log that gives what was quoted: it need not come again."""
        guid, logs = self.seen.guid.raw, self._stores.boot_logs
        if hashlib.sha256(log).digest() != logs.digest(guid):
            logs.put(guid, log, self.seen.at)

    def _ask(self, evidence: Evidence) -> tuple[bool, tuple[AppraisalFailure, ...]]:
        # Keylime would only replay it: what it says has been judged by us.
        began, result = time.perf_counter(), "none"
        try:
            with self._spans.span("keylime.verify_evidence", self.seen.guid.raw):
                verdict = self._client.verify_evidence(replace(evidence, uefi_log=b""))
            result = "valid" if verdict.valid else "invalid"
        except EvidenceMismatch as error:
            result = "invalid"
            return False, (AppraisalFailure("evidence.mismatch", str(error)),)
        finally:
            self._taken.labels(result).observe(time.perf_counter() - began)
        return verdict.valid, tuple(_failure(one) for one in verdict.failures)


def _counted(logs: BootCheck, ran: ImaCheck) -> tuple[str, ...]:
    """How ``compared`` tells how much of a log there was, and which boot it is."""
    boot = (f"boot-events:{logs.events}", f"boot-is:{logs.boot}")
    ima = f"ima-entries:{ran.entries}"
    return (*(boot if logs.events else ()), *([ima] if ran.entries else []))


def _with_ours(
    told: tuple[AppraisalFailure, ...], ours: tuple[AppraisalFailure, ...]
) -> tuple[AppraisalFailure, ...]:
    """A verifier's failures, and ours, which say more: its word alone opens nothing."""
    named = {one.type: one for one in ours}
    said = tuple(named.pop(one.type, one) for one in told)
    return (*said, *named.values())


def _failure(failure: Failure) -> AppraisalFailure:
    if failure.pcr is None:
        return AppraisalFailure(failure.type, failure.message)
    return AppraisalFailure(
        failure.type, f"PCR {failure.pcr} holds another value than the policy allows"
    )
