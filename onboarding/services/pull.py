"""The pull channel: a stock Keylime agent, called by a verifier and watched."""

import hashlib
import json
from dataclasses import dataclass

from attestation.appraisal import Appraisal, AppraisalFailure, Channel, Verdict
from attestation.keylime.boot_probe import require_engine
from attestation.keylime.client import KeylimeClient
from attestation.keylime.errors import KeylimeError, NotStored
from attestation.keylime.held import HeldTo, store_boots, store_runtime_policy
from attestation.keylime.results import PullStatus, RegisteredAgent
from attestation.policy import AttestationPolicy
from onboarding.services import enrol_task, holding, rows, turns
from onboarding.services.adoption import is_bound, refused, registered
from onboarding.services.agent_looks import AgentLooks
from onboarding.services.appraising import Judgement, keep
from onboarding.services.context import Context
from onboarding.services.errors import Problem
from onboarding.services.gate import Situation
from onboarding.services.holding import lease
from onboarding.services.keylime_link import KeylimeLink, require_pull
from onboarding.services.observing import Observer
from onboarding.services.pull_words import named, says_more, why
from onboarding.services.stores import Stores
from onboarding.store.appraisals import AppraisalRecord, Outcome, new_id
from onboarding.store.errors import NotFound

ACTOR = "task:reconcile"


def keep_named(stores: Stores, client: KeylimeClient, held: HeldTo) -> None:
    """Have the verifier keep what may boot and run. Raises KeylimeError."""
    store_boots(client, held)
    if held.runtime:
        body = stores.runtime_policies.get(bytes.fromhex(held.runtime))
        store_runtime_policy(client, held, body)


def enrol_pull(
    stores: Stores, link: KeylimeLink, situation: Situation, instead: str = ""
) -> None:
    """Have the verifier call the device's agent, under the policy it is held to.

    ``instead`` is the digest of a version that is tried after the other one failed.

    Raises:
        Problem: 409; the agent cannot be called. 403; it is not the bound one.
        KeylimeError: It is not enrolled now; try again.
    """
    pull, agent = require_pull(link), str(situation.guid)
    pull.unenrol(agent)
    now = turns.turn(situation.held, Channel.PULL, situation.appraisal, instead)
    if situation.binding is None or now is None:
        return  # left to become stale
    entry = registered(link.client, agent)
    if not is_bound(situation.binding, entry):
        raise refused("the registrar has other keys than were bound")
    if entry.contact is None:
        raise Problem(
            409,
            "agent-not-callable",
            "The agent has told the registrar no address and certificate.",
            remedy="Let it run in pull mode, with contact_ip and enable_agent_mtls.",
        )
    if now.told.boot is not None:
        require_engine(pull.client)
    keep_named(stores, pull.client, now.told)
    ak = situation.binding.ak_public
    pull.enrol(agent, ak, now.pcrs, entry.contact, now.told)


@dataclass(frozen=True, slots=True)
class _Heard:
    """What is to be stored; ``mark`` tells one thing that was heard from another."""

    policy: AttestationPolicy
    at: int
    mark: bytes
    failures: tuple[AppraisalFailure, ...] = ()


class PullWatch:
    """One look at what the verifier says of a device: an appraisal, if it is news."""

    def __init__(self, context: Context, link: KeylimeLink) -> None:
        self._context = context
        self._link = link
        agents, client = link.agents, link.client
        self._looks = None if agents is None else AgentLooks(context, agents, client)

    def look(
        self, situation: Situation, told: AppraisalFailure | None = None
    ) -> AppraisalRecord | None:
        """Store what is new; None where nothing is, and the lease runs on.

        ``told`` is what a notification said: the verifier itself tells a failure's kind
        alone, so the words count where the kind is the same.

        Raises:
            KeylimeError: No answer, or none yet of the failure that it was told of.
        """
        agent, held = str(situation.guid), situation.held
        if situation.binding is None or held.policy is None:
            return None
        entry = self._link.client.registered(agent)
        if entry is not None and not is_bound(situation.binding, entry):
            said = "the registrar has other keys than were bound"
            found = (AppraisalFailure("pull.other-keys", said),)
            heard = _Heard(held.policy, self._context.now(), entry.ak_public, found)
            return self._store(situation, heard)
        status = require_pull(self._link).status(agent)
        known = turns.versions(held, Channel.PULL)
        policy = None if status is None else turns.tried_in_full(known, status)
        if status is None or policy is None:
            raise KeylimeError(f"{agent} is not enrolled under its policy")
        if status.failed:
            return self._failed(situation, policy, status, told)
        made = self._passed(situation, policy, status, entry)
        if told is not None:
            raise KeylimeError(f"{agent} is said to have failed, and has not yet")
        return made

    def _failed(
        self,
        situation: Situation,
        policy: AttestationPolicy,
        status: PullStatus,
        told: AppraisalFailure | None,
    ) -> AppraisalRecord | None:
        """Store it, unless there is another version that it may pass under."""
        known = turns.versions(situation.held, Channel.PULL)
        other = turns.other(known, policy, status.event)
        if other is not None and not turns.both_failed(status):
            now, stores = self._context.now(), self._context.stores
            enrol_task.plan_instead(stores, situation.guid.raw, other, now)
            return None
        failure = why(status.event)
        if told is not None and failure.type == told.type == status.event:
            failure = named(failure, told)
        heard = _Heard(policy, self._context.now(), _mark(status), (failure,))
        return self._store(situation, heard)

    def _passed(
        self,
        situation: Situation,
        policy: AttestationPolicy,
        status: PullStatus,
        entry: RegisteredAgent | None,
    ) -> AppraisalRecord | None:
        if status.passed == 0 or status.last_passed is None:
            return None  # Keylime calls it PASS from its enrolment on
        self._require_judged(policy, status)
        at = min(self._context.now(), int(status.last_passed.timestamp()))
        holds = lease(policy, situation.held.update, at)
        if holds <= 0:
            return None  # the window in which it counted is over
        if self._is_known(situation, policy, at):
            return None
        if self._looks is None:
            return self._store(situation, _Heard(policy, at, _mark(status)), holds)
        return self._looked(self._looks, situation, policy, entry)

    def _looked(
        self,
        looks: AgentLooks,
        situation: Situation,
        policy: AttestationPolicy,
        entry: RegisteredAgent | None,
    ) -> AppraisalRecord:
        """Store what the agent shows us: the verifier's pass alone opens nothing.

        Raises:
            KeylimeError: It shows nothing; or another version of an update, which the
                verifier will come to by itself.
        """
        guid = situation.guid
        if entry is None or entry.contact is None:
            raise KeylimeError(f"{guid} has no agent that could be called")
        look = looks.look(situation, policy, entry.contact)
        made, failures = look.made, look.made.record.failures
        if made.by_policy and failures and situation.held.update is not None:
            raise KeylimeError(f"{guid} is being updated: {failures[0].message}")
        kept = keep(self._context, made, ACTOR)
        Observer(self._context, look.judge).observe(situation.held, ACTOR)
        return kept

    def _require_judged(self, policy: AttestationPolicy, status: PullStatus) -> None:
        """Have the verifier show that its pass is one under all of the policy.

        Raises:
            NotStored: It is not.
            KeylimeError: No answer, or it does not judge event logs as we do.
        """
        client = require_pull(self._link).client
        lists, boots = policy.runtime_policy is not None, policy.measured_boot
        if (lists and not status.lists) or (boots is not None and not status.boots):
            raise NotStored("the verifier does not judge all that it was told to")
        if policy.needs_logs:
            stores, held = self._context.stores, holding.told(policy)
            self._link.kept.require(stores, client, Channel.PULL, held)
        if boots is not None:
            require_engine(client)

    def _store(
        self, situation: Situation, heard: "_Heard", holds: int | None = None
    ) -> AppraisalRecord | None:
        policy, failures = heard.policy, heard.failures
        evidence = _evidence(situation, heard)
        last = self._last(situation, evidence)
        if last is not None and not says_more(failures, last):
            return None
        appraisal = Appraisal(
            new_id(),
            situation.guid,
            Channel.PULL,
            Verdict.FAILED if failures else Verdict.PASSED,
            () if failures else policy.required,
            failures,
            policy.name,
            policy.version,
            policy.digest(),
            evidence,
            heard.at,
        )
        binding = situation.binding
        ek_class = None if binding is None else binding.ek_class
        record = rows.appraisal_record(appraisal, holds, ek_class)
        made = Judgement(record, None, Channel.PULL, by_policy=False)
        return keep(self._context, made, ACTOR)

    def _is_known(
        self, situation: Situation, policy: AttestationPolicy, at: int
    ) -> bool:
        """Whether the last that is stored is a pass under it, of then or later."""
        last = self._latest(situation)
        if last is None or last.outcome is not Outcome.PASSED or last.at < at:
            return False
        same = last.policy_digest.hex() == policy.digest()
        return same and last.channel == Channel.PULL.value

    def _last(self, situation: Situation, evidence: str) -> AppraisalRecord | None:
        """The newest, if it is of the same evidence."""
        last = self._latest(situation)
        known = last is not None and last.evidence_digest.hex() == evidence
        return last if known else None

    def _latest(self, situation: Situation) -> AppraisalRecord | None:
        try:
            return self._context.stores.appraisals.latest(situation.guid.raw)
        except NotFound:
            return None


def _evidence(situation: Situation, heard: _Heard) -> str:
    """The digest that tells one thing that was heard from another."""
    told = [heard.policy.digest(), bool(heard.failures), heard.mark.hex()]
    return hashlib.sha256(situation.guid.raw + json.dumps(told).encode()).hexdigest()


def _mark(status: PullStatus) -> bytes:
    return repr((status.failed, status.passed, status.last_received)).encode()
