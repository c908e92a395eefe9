"""TO0 in the background: each voucher at each of its rendezvous servers.

A registration is renewed at about two thirds of the time it was granted, with
jitter, and retried with growing pauses when a server does not take it. What
came of each attempt is kept with the task, so "why is my device not found?"
has an answer.
"""

import json
import random
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Self

import httpx

from onboarding.protocol.device_env import To0OwnerEnv
from onboarding.protocol.errors import ProtocolError
from onboarding.protocol.to0_owner import To0Owner
from onboarding.services.context import Context
from onboarding.services.errors import Problem
from onboarding.services.fdo_client import FdoClientError, run_protocol
from onboarding.services.owned import OwnedVouchers
from onboarding.services.site import to2_addresses
from onboarding.services.stores import Stores
from onboarding.store.errors import NotFound
from onboarding.store.tasks import Task
from ownership_vouchers.errors import VoucherError
from ownership_vouchers.rendezvous import owner_addresses
from ownership_vouchers.types import Guid

KIND = "to0"
ACTOR = "task:to0"
RENEW_AT = 2 / 3
FIRST_PAUSE, LONGEST_PAUSE = 5, 3600  # seconds
_JITTER = random.SystemRandom()


@dataclass(frozen=True, slots=True)
class Attempt:
    """How one rendezvous server answered last; times in seconds since 1970."""

    server: str
    at: int = 0
    failures: int = 0  # in a row
    error: str = ""
    granted: int = 0  # seconds
    until: int = 0
    due: int = 0

    @classmethod
    def of(cls, fields: Mapping[str, object]) -> Self:
        return cls(**fields)  # type: ignore[arg-type]


def attempts_of(task: Task) -> tuple[Attempt, ...]:
    """What is known of a task's rendezvous servers."""
    found = json.loads(task.payload) if task.payload else []
    return tuple(Attempt.of(one) for one in found)


def plan(stores: Stores, guid: bytes, now: int) -> None:
    """Register a voucher as soon as a worker is free."""
    stores.tasks.enqueue(KIND, guid.hex(), now)


def plan_all(stores: Stores, now: int) -> None:
    """Register every voucher of a device that is not onboarded yet, anew."""
    for task in stores.tasks.pending(KIND):
        stores.tasks.enqueue(KIND, task.subject, now)


class To0Work:
    """Does one TO0 task: every server that is due, once."""

    def __init__(
        self, context: Context, vouchers: OwnedVouchers, http: httpx.Client
    ) -> None:
        self._context = context
        self._vouchers = vouchers
        self._http = http

    def run(self, task: Task, worker: str) -> None:
        """Register at every server that is due; plan when to come back."""
        stores, now = self._context.stores, self._context.now()
        guid = Guid.parse(task.subject)
        owned = self._vouchers.find(guid)
        if owned is None or owned.to2 is None or not self._wanted(guid):
            stores.tasks.done(task, worker)
            return
        known = {one.server: one for one in attempts_of(task)}
        results = [
            self._attempt(guid, urls, known.get(urls[0], Attempt(urls[0])), now)
            for urls in _servers(self._vouchers, guid)
        ]
        if not results:
            stores.tasks.done(task, worker)
            return
        self._plan_next(task, worker, results)

    def _wanted(self, guid: Guid) -> bool:
        """A device that has another GUID by now, or is retired, is not announced.

        One that we own is: its voucher was extended, so it is to be onboarded again.
        """
        try:
            device = self._context.stores.devices.get(guid.raw)
        except NotFound:
            return False
        return device.facts.retired_at is None and device.guid == guid.raw

    def _attempt(
        self, guid: Guid, urls: tuple[str, ...], last: Attempt, now: int
    ) -> Attempt:
        if last.due > now:
            return last
        try:
            granted = self._register(guid, urls)
        except (FdoClientError, ProtocolError, VoucherError, Problem) as error:
            failures = last.failures + 1
            pause = min(FIRST_PAUSE * 2 ** min(failures, 16), LONGEST_PAUSE)
            due = now + _jittered(pause)
            said = str(error)[:300]
            return replace(last, at=now, failures=failures, error=said, due=due)
        until = now + granted
        with suppress(NotFound):  # onboarded meanwhile, so it has another GUID
            self._context.stores.devices.registered(
                guid.raw, until, urls[0], ACTOR, now
            )
        due = now + max(1, _jittered(granted * RENEW_AT))
        return Attempt(urls[0], now, 0, "", granted, until, due)

    def _register(self, guid: Guid, urls: tuple[str, ...]) -> int:
        owned = self._vouchers.find(guid)
        if owned is None or owned.signer is None:
            raise FdoClientError("the voucher is gone")
        env = To0OwnerEnv(
            owned.voucher,
            owned.signer,
            to2_addresses(self._context.stores.settings),
            self._context.settings.to0_wait_seconds,
        )
        return run_protocol(self._http, urls, lambda: To0Owner(env))

    def _plan_next(self, task: Task, worker: str, results: list[Attempt]) -> None:
        payload = json.dumps([asdict(one) for one in results]).encode()
        due = min(one.due for one in results)
        tasks = self._context.stores.tasks
        tasks.enqueue(KIND, task.subject, due, payload)
        tasks.done(task, worker)  # planned anew, so this only gives the claim back


def _servers(vouchers: OwnedVouchers, guid: Guid) -> list[tuple[str, ...]]:
    """Each directive's addresses: one server under several names."""
    owned = vouchers.find(guid)
    if owned is None:
        return []
    found = owner_addresses(owned.voucher.header.rv_info)
    return [one.urls for one in found if one.urls]


def _jittered(seconds: float) -> int:
    return int(seconds * _JITTER.uniform(0.85, 1.0))
