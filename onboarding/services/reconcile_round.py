"""All devices of a channel at once: one question to its verifier, and who has news.

Push sends no notification, and one of pull can be lost, so we ask, again and again. The
verifier's list says of each agent when it was heard of last and how often it passed,
not what it quoted: enough to leave those alone of which nothing has been heard since
they were looked at. An answer that is cut off or cannot be read counts for nothing.
"""

import logging
import math
import time
from collections.abc import Mapping, Sequence

from attestation.appraisal import Channel
from attestation.keylime.client import KeylimeClient
from attestation.keylime.errors import KeylimeError
from attestation.keylime.listing import KeylimeListing
from onboarding.services import reconcile
from onboarding.services.context import Context
from onboarding.services.errors import Problem
from onboarding.services.keylime_link import KeylimeLink, require_pull
from onboarding.services.stores import Stores
from onboarding.store.tasks import Task
from ownership_vouchers.types import Guid

KIND = "reconcile-round"
CHANNELS = (Channel.PUSH, Channel.PULL)
# A verifier makes its list in the loop that takes its agents' evidence, so a round is
# followed by a pause of so many times what it took: of a fleet, not every second.
REST = 4

log = logging.getLogger(__name__)


def begin(stores: Stores, now: int) -> None:
    """Plan the first round of each channel, unless one is planned."""
    stores.tasks.add(KIND, [(channel.value, b"") for channel in CHANNELS], now)


class ReconcileRound:
    """Does one round: has those looked at of which there is news."""

    def __init__(self, context: Context, link: KeylimeLink) -> None:
        self._context = context
        self._link = link

    def run(self, task: Task, worker: str) -> None:
        """Ask once; come back after the interval set, or a pause if that is longer."""
        tasks, begun = self._context.stores.tasks, time.monotonic()
        try:
            self._look(Channel(task.subject))
        except (KeylimeError, Problem) as error:
            pause = min(2 ** min(task.attempts, 6), reconcile.LONGEST_PAUSE)
            log.warning("no news on the channel %s: %s", task.subject, error)
            tasks.again(task, worker, self._context.now() + pause, str(error))
            return
        interval = round(self._context.settings.reconcile_seconds)
        rest = math.floor(REST * (time.monotonic() - begun))
        # Planned anew, so that the count of attempts starts over.
        tasks.enqueue(KIND, task.subject, self._context.now() + max(1, interval, rest))
        tasks.done(task, worker)

    def _look(self, channel: Channel) -> None:
        stores, now = self._context.stores, self._context.now()
        watched = stores.bindings.watched(channel.value)
        if not watched:
            return
        with self._context.spans.span("reconcile.round") as note:
            heard = KeylimeListing(self._verifier(channel)).heard()
            news, absent = _news(watched, heard)
            if news:
                stores.tasks.add(reconcile.KIND, news, now)
            counts = {"watched": len(watched), "news": len(news), "absent": absent}
            note(channel=channel.value, **counts)
        if absent:
            said = "%d of %d devices on %s are not in the verifier"
            log.info(said, absent, len(watched), channel.value)

    def _verifier(self, channel: Channel) -> KeylimeClient:
        if channel is Channel.PULL:
            return require_pull(self._link).client
        return self._link.client


def _news(
    watched: Sequence[tuple[bytes, bytes | None]], heard: Mapping[str, bytes | None]
) -> tuple[list[tuple[str, bytes]], int]:
    """Of whom something new was heard, with its mark; and how many are not there."""
    news: list[tuple[str, bytes]] = []
    absent = 0
    for guid, seen in watched:
        agent = str(Guid(guid))
        absent += agent not in heard
        mark = heard.get(agent)
        if mark is not None and mark != seen:
            news.append((guid.hex(), mark))
    return news, absent
