"""A changed policy reaches Keylime: a device on the push channel is enrolled anew.

Keylime has no call to change a policy; enrolling anew is the only way, and it
clears a verdict of FAIL, so the evidence that comes next decides afresh.
"""

from collections.abc import Iterable
from itertools import islice

from attestation.appraisal import Channel
from attestation.keylime.client import KeylimeClient
from attestation.keylime.errors import KeylimeError
from onboarding.services import enrol_task, reconcile, turns
from onboarding.services.context import Context
from onboarding.services.errors import Problem
from onboarding.services.gate import Gate, Situation
from onboarding.services.keylime_link import KeylimeLink
from onboarding.services.pull import enrol_pull, keep_named
from onboarding.services.stores import Stores
from onboarding.services.turns import Turn
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
            enrol_task.plan(stores, guid, now)
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
                until = self._enrol(guid, enrol_task.instead(task.payload))
        except NotFound:
            pass
        except (KeylimeError, Problem) as error:
            pause = min(2 ** min(task.attempts, 6), LONGEST_PAUSE)
            tasks.again(task, worker, self._context.now() + pause, str(error))
            return
        if until is None:
            tasks.done(task, worker)
        else:  # not, where something changed meanwhile: then it is due at once
            tasks.again(task, worker, until + 1, payload=b"")

    def _enrol(self, guid: Guid, instead: str) -> int | None:
        """Enrol; return when what was enrolled ends, in an update window."""
        situation = self._gate.situation(guid.raw)
        if situation.binding is None or situation.device.guid != guid.raw:
            return None
        pull = situation.binding.channel == Channel.PULL.value
        enrol = enrol_pull if pull else enrol_push
        enrol(self._context.stores, self._link, situation, instead)
        held = situation.held
        return None if held.update is None else held.update.until


def enrol_push(
    stores: Stores, link: KeylimeLink, situation: Situation, instead: str = ""
) -> None:
    """Have the verifier take the device's evidence, under what it is held to now.

    ``instead`` is the digest of a version that is tried after the other one failed.
    Under no policy it is taken out there, to become stale, unless it was asked to show
    itself.

    Raises:
        KeylimeError: It is not enrolled now; try again.
    """
    agent, client = str(situation.guid), link.client
    client.unenrol(agent)
    binding = situation.binding
    now = turns.turn(situation.held, Channel.PUSH, situation.appraisal, instead)
    if now is None and situation.learning:
        now = turns.SHOWS_ITSELF
    if binding is not None and now is not None:
        hold_push(stores, client, agent, binding.ak_public, now)


def hold_push(
    stores: Stores, client: KeylimeClient, agent: str, ak_public: bytes, now: Turn
) -> None:
    """Have the verifier take an agent's evidence, with what it is judged by.

    Under no policy it is judged by nobody, and only shows itself.

    Raises:
        KeylimeError: It is not enrolled now; try again.
    """
    keep_named(stores, client, now.told)
    client.enrol(agent, ak_public, now.pcrs, now.told)
