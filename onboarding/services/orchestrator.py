"""Background work: rows claimed by whichever replica is free.

Tasks are done in threads of their own, since they wait for other machines; a replica
that dies leaves its claims to the others when they run out.
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from attestation.errors import AttestationError
from hw.errors import HwError
from onboarding.protocol.errors import ProtocolError
from onboarding.services import logs
from onboarding.services.context import Context
from onboarding.services.errors import ServicesError
from onboarding.services.outages import tell
from onboarding.store.errors import StoreError
from onboarding.store.tasks import Task
from ownership_vouchers.errors import VoucherError

CLAIM_SECONDS = 120
SLOTS = 16  # tasks of a kind that one process does at a time
PRUNE_EVERY = 60.0  # seconds
KEEP_SERVERS = 30 * 86400  # seconds since they were last heard of

# What the packages a task goes through may raise; a bug of ours ends its loop,
# loudly, instead of being tried for ever.
KNOWN = (
    AttestationError,
    HwError,
    ProtocolError,
    ServicesError,
    StoreError,
    VoucherError,
)

Work = Callable[[Task, str], None]

log = logging.getLogger(__name__)


class Orchestrator:
    """One loop per kind of task, and one that tidies up.

    Args:
        works: What does a task of each kind.
    """

    def __init__(self, context: Context, works: dict[str, Work]) -> None:
        self._context = context
        self._works = works
        self._worker = secrets.token_hex(8)

    async def run(self) -> AsyncIterator[None]:
        """A lifespan: works while the service serves, then finishes what it began."""
        if not self._context.settings.background:
            yield
            return
        stop = asyncio.Event()
        loops = [
            asyncio.create_task(self._repeat(stop, kind, work))
            for kind, work in self._works.items()
        ]
        loops.append(asyncio.create_task(self._tidy(stop)))
        for loop in loops:
            loop.add_done_callback(_report_death)
        try:
            yield
        finally:
            stop.set()
            await asyncio.gather(*loops)

    async def _repeat(self, stop: asyncio.Event, kind: str, work: Work) -> None:
        """Keep up to ``SLOTS`` tasks going; one that takes long holds up no other."""
        loop = asyncio.get_running_loop()
        stopping = asyncio.ensure_future(stop.wait())
        running: set[asyncio.Future[None]] = set()
        pool = ThreadPoolExecutor(SLOTS, thread_name_prefix=f"task-{kind}")
        try:
            while not stop.is_set():
                for task in await self._due(kind, SLOTS - len(running)):
                    running.add(loop.run_in_executor(pool, self._do, work, task))
                full = len(running) >= SLOTS
                awaited: list[asyncio.Future[Any]] = [stopping, *running]
                await asyncio.wait(
                    awaited,
                    timeout=None if full else self._context.settings.task_poll_seconds,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                running = _going_on(running)
        finally:
            stopping.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            pool.shutdown()

    async def _due(self, kind: str, limit: int) -> tuple[Task, ...]:
        """Claim what is due; a database that is away must not end the loop."""
        try:
            return await asyncio.to_thread(self._claim, kind, limit)
        except KNOWN as error:
            tell(log, error, "could not claim tasks of kind %s", kind)
            return ()

    def _claim(self, kind: str, limit: int) -> tuple[Task, ...]:
        now = self._context.now()
        return self._context.stores.tasks.claim(
            kind, self._worker, now, CLAIM_SECONDS, limit
        )

    def _do(self, work: Work, task: Task) -> None:
        with logs.about(task=task.kind, **logs.subject(task.subject)):
            try:
                work(task, self._worker)
            except KNOWN as error:
                tell(log, error, "task %s of %s failed", task.kind, task.subject)
                self._put_off(task, type(error).__name__)

    def _put_off(self, task: Task, said: str) -> None:
        """Have a task done later; if that cannot be said, its claim runs out."""
        due = self._context.now() + min(2 ** min(task.attempts, 10), 600)
        try:
            self._context.stores.tasks.again(task, self._worker, due, said)
        except StoreError as error:
            tell(log, error, "could not put task %s of %s off", task.kind, task.subject)

    async def _tidy(self, stop: asyncio.Event) -> None:
        """Forget old appraisals, receipts, and servers that are tried no more."""
        while not stop.is_set():
            try:
                await asyncio.to_thread(self._prune)
            except KNOWN as error:
                tell(log, error, "could not tidy up")
            await _wait(stop, PRUNE_EVERY)

    def _prune(self) -> None:
        now = self._context.now()
        kept = self._context.settings.keep_appraisals_days * 86400
        self._context.stores.appraisals.prune(now - kept)
        self._context.stores.quotes.prune(now - kept)
        self._context.stores.ima_lists.prune(now - kept)
        self._context.stores.boot_logs.prune(now - kept)
        self._context.stores.rv_servers.prune(now - KEEP_SERVERS)
        kept = self._context.settings.keep_deliveries_days * 86400
        self._context.stores.deliveries.prune(now - kept)


def _going_on(running: set[asyncio.Future[None]]) -> set[asyncio.Future[None]]:
    """Those that are not done; a bug in one that is comes out here."""
    for one in running:
        if one.done():
            one.result()
    return {one for one in running if not one.done()}


def _report_death(loop: asyncio.Task[None]) -> None:
    error = None if loop.cancelled() else loop.exception()
    if error is not None:
        log.critical("background work has ended: %s", error, exc_info=error)


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
