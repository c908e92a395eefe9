"""Push and pull seen from here: what Keylime holds of a device, stored and acted on.

One look at one device, when there is news of it: ``reconcile_round`` finds out. Silence
is not good news, it lets the lease run out.
"""

import json
import logging
from dataclasses import dataclass

from attestation.appraisal import AppraisalFailure, Channel
from attestation.keylime.errors import KeylimeError, NotStored
from attestation.keylime.evidence import Evidence
from attestation.keylime.held import HeldTo
from attestation.keylime.results import AgentStatus, Failure, PushAttestation
from attestation.policy import AttestationPolicy
from onboarding.services import enrol_task, turns
from onboarding.services.appraising import Appraiser, Case, keep
from onboarding.services.context import Context
from onboarding.services.errors import Problem
from onboarding.services.gate import Gate
from onboarding.services.holding import Held, lease
from onboarding.services.ima_lists import AGAIN
from onboarding.services.judging import Judge, ListVerdict, Seen
from onboarding.services.keylime_link import KeylimeLink
from onboarding.services.learning import Learner
from onboarding.services.observing import Observer
from onboarding.services.pull import ACTOR, PullWatch
from onboarding.services.stores import Stores
from onboarding.services.withdrawing import Withdrawals
from onboarding.store.appraisals import AppraisalRecord, Outcome
from onboarding.store.bindings import BindingRecord
from onboarding.store.errors import NotFound
from onboarding.store.tasks import Task
from ownership_vouchers.types import Guid

KIND = "reconcile"
TOLD = b"told:"  # begins a payload that is words of a notification
TELLINGS = 5  # looks in which a notification's failure is waited for
LONGEST_PAUSE = 60  # seconds, while Keylime does not answer

log = logging.getLogger(__name__)


def plan(stores: Stores, guid: bytes, now: int) -> None:
    """Look at a device of these channels, whatever was seen of it before."""
    stores.tasks.urge(KIND, guid.hex(), now)


def plan_told(stores: Stores, guid: bytes, now: int, failure: Failure | None) -> None:
    """The same, and keep what a notification says of a failure until then."""
    if failure is None:
        return plan(stores, guid, now)
    told = TOLD + json.dumps([failure.type, failure.message]).encode()
    stores.tasks.enqueue(KIND, guid.hex(), now, told)


def _told(payload: bytes) -> AppraisalFailure | None:
    if not payload.startswith(TOLD):
        return None
    kind, message = json.loads(payload.removeprefix(TOLD))
    return AppraisalFailure(kind, message)


@dataclass(frozen=True, slots=True)
class _Pushed:
    """What was pushed, the policy that it was judged by, and the one beside that.

    ``other`` is None where no two versions take turns; ``status`` is known if they do.
    """

    found: PushAttestation
    policy: AttestationPolicy
    other: AttestationPolicy | None = None
    status: AgentStatus | None = None


class ReconcileWork:
    """Does one reconcile task: one look at one device.

    A task's payload is the mark of what Keylime had heard when there was news: it is
    noted once that has been seen to. Or it is what a notification said.
    """

    def __init__(self, context: Context, gate: Gate, link: KeylimeLink) -> None:
        self._context = context
        self._gate = gate
        self._link = link
        self._learner = Learner(context)
        self._withdrawals = Withdrawals(context, gate)
        self._pull = PullWatch(context, link)

    def run(self, task: Task, worker: str) -> None:
        """Look once; again after a pause if Keylime does not answer."""
        stores, now = self._context.stores, self._context.now()
        guid = Guid.parse(task.subject)
        try:
            with self._context.spans.span("reconcile", guid.raw) as note:
                told = _told(task.payload) if task.attempts < TELLINGS else None
                channel = self._look(guid, told)
                note(channel=channel or "none")
        except (KeylimeError, Problem) as error:
            if _is_to_begin_anew(error):  # with a policy told again, and a whole list
                enrol_task.plan(stores, guid.raw, now)
            pause = min(2 ** min(task.attempts, 6), LONGEST_PAUSE)
            log.warning("no verdict on %s: %s", guid, error)
            stores.tasks.again(task, worker, now + pause, str(error))
            return
        marked = task.payload and not task.payload.startswith(TOLD)
        if channel is not None and marked:
            stores.bindings.mark(guid.raw, channel, task.payload)
        stores.tasks.done(task, worker)

    def _look(self, guid: Guid, told: AppraisalFailure | None) -> str | None:
        """Store what is new; return the channel on which nothing else is to be seen."""
        try:
            situation = self._gate.situation(guid.raw)
        except NotFound:
            return None
        binding, facts = situation.binding, situation.device.facts
        gone = situation.device.guid != guid.raw or facts.retired_at is not None
        if gone or binding is None or facts.enrolled_at is None:
            return None
        if binding.channel == Channel.PULL.value:
            seen = self._pull.look(situation, told)
            if seen is not None and seen.outcome is Outcome.FAILED:
                self._withdrawals.review(guid.raw, ACTOR)
            return binding.channel
        if binding.channel != Channel.PUSH.value:
            return None
        if situation.policy is None:
            return binding.channel if self._show(guid, binding) else None
        pushed = self._latest(guid, situation.held)
        if pushed is None or not (pushed.found.passed or pushed.found.failed):
            return None  # under way: the news may be of the one before
        self._store(guid, binding, situation.held, pushed)
        return binding.channel

    def _latest(self, guid: Guid, held: Held) -> "_Pushed | None":
        """The newest, if the verifier judged it by what the device is held to.

        PCRs and event log we judge anew, the IMA list not, no log comes that it was not
        told to ask for, and it alone knows which version's turn it was: so it is asked
        what it holds the device to, before and after.
        """
        client, agent = self._link.client, str(guid)
        known = turns.versions(held, Channel.PUSH)
        if not known:
            return None
        if len(known) == 1 and not known[0].needs_logs:
            found = client.latest_attestation(agent)
            return None if found is None else _Pushed(found, known[0])
        before = client.status(agent)
        found = client.latest_attestation(agent)
        after = client.status(agent)
        if before is None or found is None or after is None:
            return None
        policy = turns.tried(known, before)
        stayed = (before.held_to, before.second) == (after.held_to, after.second)
        if policy is None or not stayed:
            return None
        return _Pushed(found, policy, turns.other(known, policy), after)

    def _store(
        self, guid: Guid, binding: BindingRecord, held: Held, pushed: "_Pushed"
    ) -> None:
        found, policy = pushed.found, pushed.policy
        if found.quote is None:
            return
        evidence = Evidence.of_push(
            found.quote,
            binding.ak_public,
            binding.ek_public,
            policy.pcrs,
            found.uefi_log,
        )
        listed = _listed(found, policy)
        seen = Seen(guid, evidence, self._received_at(found), listed=listed)
        case = Case(
            seen,
            binding,
            policy,
            Channel.PUSH,
            held.update,
            found.passed,
            in_turn=pushed.other is not None,
        )
        # The channel does not say which PCR it was, nor that the PCRs quoted are
        # those it names; the stateless call, and our own checks, do.
        judge = Judge(self._context, self._link.client, seen)
        self._learn(judge)
        if self._known(case) or lease(policy, held.update, seen.at) <= 0:
            return
        made = Appraiser(self._context, judge).judge(case)
        if made.passed:
            self._require_judged(pushed)
        failed = made.by_policy and not made.passed
        instead = pushed.other if failed else None
        if instead is not None and not self._both_failed(guid, pushed):
            return self._instead(guid, instead)
        keep(self._context, made, ACTOR)
        if made.record.outcome is Outcome.FAILED:
            self._withdrawals.review(guid.raw, ACTOR)
        if instead is not None:  # it goes on pushing, and may yet be put right
            self._instead(guid, instead)
        Observer(self._context, judge).observe(held, ACTOR)

    def _require_judged(self, pushed: "_Pushed") -> None:
        """Have the verifier show that it held the list to what may run.

        Raises:
            NotStored: It did not.
        """
        runtime, status = pushed.policy.runtime_policy, pushed.status
        if runtime is None:
            return
        if status is None or not status.lists:
            raise NotStored("the verifier does not judge the list that it was told to")
        stores, held = self._context.stores, HeldTo(runtime=runtime)
        self._link.kept.require(stores, self._link.client, Channel.PUSH, held)

    def _show(self, guid: Guid, binding: BindingRecord) -> bool:
        """Learn from a device under no policy, if it was asked; no verdict on it.

        Whether there was anything to see.
        """
        if not self._learner.wanted(guid):
            return False
        found = self._link.client.latest_attestation(str(guid))
        if found is None or found.quote is None:
            return False
        keys = binding.ak_public, binding.ek_public
        evidence = Evidence.of_push(found.quote, *keys, {}, found.uefi_log)
        seen = Seen(guid, evidence, self._received_at(found))
        if self._learn(Judge(self._context, self._link.client, seen)):
            enrol_task.plan(self._context.stores, guid.raw, self._context.now())
        return True

    def _learn(self, judge: Judge) -> bool:
        """Keep what a golden device shows, if it came after it was asked to."""
        guid, learnings = judge.seen.guid, self._context.stores.learnings
        if not self._learner.wanted(guid):
            return False
        asked = learnings.get(guid.raw).asked_at
        return judge.seen.at >= asked and self._learner.keep(judge, ACTOR)

    def _both_failed(self, guid: Guid, pushed: "_Pushed") -> bool:
        """Whether this failure comes after one under the other version.

        If the verifier passed it, and we did not, its count of passes says nothing.
        """
        status = pushed.status
        if status is None or not status.second or pushed.found.failed:
            return status is not None and turns.both_failed(status)
        last = self._last(guid)
        passed = last is not None and last.outcome is Outcome.PASSED
        digest = pushed.policy.digest()
        return last is None or not passed or last.policy_digest.hex() != digest

    def _instead(self, guid: Guid, policy: AttestationPolicy) -> None:
        stores, now = self._context.stores, self._context.now()
        enrol_task.plan_instead(stores, guid.raw, policy, now)

    def _known(self, case: Case) -> bool:
        last = self._last(case.seen.guid)
        if last is None or last.evidence_digest != case.seen.digest:
            return False
        return last.policy_digest.hex() in {one.digest() for one in case.policies}

    def _last(self, guid: Guid) -> AppraisalRecord | None:
        try:
            return self._context.stores.appraisals.latest(guid.raw)
        except NotFound:
            return None

    def _received_at(self, found: PushAttestation) -> int:
        now = self._context.now()
        if found.evidence_received is None:
            return now
        return min(now, int(found.evidence_received.timestamp()))


def _is_to_begin_anew(error: Exception) -> bool:
    again = isinstance(error, Problem) and error.code == AGAIN
    return again or isinstance(error, NotStored)


def _listed(found: PushAttestation, policy: AttestationPolicy) -> ListVerdict | None:
    if found.listed is None or policy.runtime_policy is None:
        return None
    listed = found.listed
    return ListVerdict(policy.runtime_policy, found.passed, listed.first, listed.lines)
