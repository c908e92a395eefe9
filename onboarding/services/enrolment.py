"""A changed policy reaches Keylime: a device on the push channel is enrolled anew.

Keylime has no call to change a policy; enrolling anew is the only way, and it
clears a verdict of FAIL, so the evidence that comes next decides afresh.
"""

from attestation.keylime.errors import KeylimeError
from onboarding.services.context import Context
from onboarding.services.gate import Gate
from onboarding.services.keylime_link import KeylimeLink
from onboarding.services.stores import Stores
from onboarding.store.errors import NotFound
from onboarding.store.tasks import Task
from ownership_vouchers.types import Guid

KIND = "enrol"
LONGEST_PAUSE = 60  # seconds, while Keylime does not answer


def plan(stores: Stores, guid: bytes, now: int) -> None:
    """Enrol a device anew as soon as a worker is free."""
    stores.tasks.enqueue(KIND, guid.hex(), now)


class EnrolWork:
    """Does one enrol task."""

    def __init__(self, context: Context, gate: Gate, link: KeylimeLink) -> None:
        self._context = context
        self._gate = gate
        self._link = link

    def run(self, task: Task, worker: str) -> None:
        """Enrol under the policy assigned now; try again until Keylime answers."""
        tasks, guid = self._context.stores.tasks, Guid.parse(task.subject)
        try:
            self._enrol(guid)
        except NotFound:
            pass
        except KeylimeError as error:
            pause = min(2 ** min(task.attempts, 6), LONGEST_PAUSE)
            tasks.again(task, worker, self._context.now() + pause, str(error))
            return
        tasks.done(task, worker)

    def _enrol(self, guid: Guid) -> None:
        situation = self._gate.situation(guid.raw)
        if situation.binding is None or situation.policy is None:
            return
        if situation.device.guid != guid.raw:
            return
        agent, client = str(guid), self._link.client
        client.unenrol(agent)
        if situation.policy.needs_logs:
            return  # the channel carries none: the device is left to become stale
        client.enrol(agent, situation.binding.ak_public, situation.policy.pcrs)
