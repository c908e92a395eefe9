"""A changed policy reaches Keylime: a device on the push channel is enrolled anew.

Keylime has no call to change a policy; enrolling anew is the only way, and it
clears a verdict of FAIL, so the evidence that comes next decides afresh.
"""

from collections.abc import Iterable
from itertools import islice

from attestation.appraisal import Channel
from attestation.keylime.client import KeylimeClient
from attestation.keylime.errors import KeylimeError
from onboarding.services import reconcile
from onboarding.services.context import Context
from onboarding.services.enrol_task import KIND as KIND
from onboarding.services.enrol_task import plan as plan
from onboarding.services.errors import Problem
from onboarding.services.gate import Gate, Situation
from onboarding.services.holding import Held
from onboarding.services.keylime_link import KeylimeLink
from onboarding.services.pull import enrol_pull, keep_named
from onboarding.services.stores import Stores
from onboarding.store.errors import NotFound
from onboarding.store.tasks import Task
from ownership_vouchers.types import Guid

SOME = 500  # devices asked for at once
IN_VERIFIER = (Channel.PUSH.value, Channel.PULL.value)
LONGEST_PAUSE = 60  # seconds, while Keylime does not answer


def plan_for(context: Context, guids: Iterable[bytes]) -> None:
    """The same for those of these devices that Keylime's verifier knows."""
    now, stores, waiting = context.now(), context.stores, iter(guids)
    while some := tuple(islice(waiting, SOME)):
        for guid in stores.bindings.enrolled_among(some, IN_VERIFIER):
            plan(stores, guid, now)
            reconcile.plan(stores, guid, now)


class EnrolWork:
    """Does one enrol task."""

    def __init__(self, context: Context, gate: Gate, link: KeylimeLink) -> None:
        self._context = context
        self._gate = gate
        self._link = link

    def run(self, task: Task, worker: str) -> None:
        """Enrol under the policy assigned now; try again until Keylime answers."""
        tasks, guid = self._context.stores.tasks, Guid.parse(task.subject)
        until = None
        try:
            with self._context.spans.span("enrolment", guid.raw):
                until = self._enrol(guid)
        except NotFound:
            pass
        except (KeylimeError, Problem) as error:
            pause = min(2 ** min(task.attempts, 6), LONGEST_PAUSE)
            tasks.again(task, worker, self._context.now() + pause, str(error))
            return
        if until is None:
            tasks.done(task, worker)
        else:  # not, where something changed meanwhile: then it is due at once
            tasks.again(task, worker, until + 1)

    def _enrol(self, guid: Guid) -> int | None:
        """Enrol; return when what was enrolled ends, in an update window."""
        situation = self._gate.situation(guid.raw)
        if situation.binding is None or situation.device.guid != guid.raw:
            return None
        if situation.binding.channel == Channel.PULL.value:
            enrol_pull(self._context.stores, self._link, situation)
            return None
        enrol_push(self._context.stores, self._link, situation)
        held = situation.held
        return None if held.update is None else held.update.until


def enrol_push(stores: Stores, link: KeylimeLink, situation: Situation) -> None:
    """Have the verifier take the device's evidence, under what it is held to now.

    Under no policy it is taken out there, to become stale, unless it was asked to show
    itself.

    Raises:
        KeylimeError: It is not enrolled now; try again.
    """
    agent, client = str(situation.guid), link.client
    client.unenrol(agent)
    binding, wanted = situation.binding, stores.learnings.wanted(situation.guid.raw)
    if binding is None or (situation.policy is None and not wanted):
        return
    hold_push(stores, client, agent, binding.ak_public, situation.held)


def hold_push(
    stores: Stores, client: KeylimeClient, agent: str, ak_public: bytes, held: Held
) -> None:
    """Have the verifier take an agent's evidence, with what it is judged by.

    Under no policy it is judged by nobody, and only shows itself.

    Raises:
        KeylimeError: It is not enrolled now; try again.
    """
    pcrs, said = held.pushed
    keep_named(stores, client, said)
    client.enrol(agent, ak_public, pcrs, said)
