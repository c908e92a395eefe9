"""TO0 in the background: each voucher at each of its rendezvous servers.

All servers of a voucher are tried at once, each for so long and no longer; what
came of each is kept with the task (`to0_attempts`), so "why is my device not
found?" has an answer. No server holds up another one, nor other vouchers
(`rv_gate`).
"""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass

from onboarding.protocol.device_env import To0OwnerEnv
from onboarding.protocol.errors import PeerFailed, ProtocolError
from onboarding.protocol.to0_owner import To0Owner
from onboarding.services.context import Context
from onboarding.services.errors import Problem
from onboarding.services.fdo_client import (
    Deadline,
    FdoClientError,
    FdoClients,
    run_protocol,
)
from onboarding.services.owned import Owned, OwnedVouchers
from onboarding.services.rv_gate import Busy, LeftAlone, RvGate
from onboarding.services.site import to2_addresses
from onboarding.services.stores import Stores
from onboarding.services.to0_attempts import (
    Attempt,
    attempts_of,
    is_urged,
    payload_of,
)
from onboarding.services.to0_words import refusal_told
from onboarding.store.errors import NotFound
from onboarding.store.tasks import Task
from onboarding.tls import Trust
from ownership_vouchers.errors import VoucherError
from ownership_vouchers.rendezvous import Candidates, owner_addresses
from ownership_vouchers.types import Guid

KIND = "to0"
ACTOR = "task:to0"
LEGS = 16  # attempts of this process at a time; each thread costs memory
GRACE = 5.0  # seconds beyond a run's own limit, for what no limit reaches: names


def plan(stores: Stores, guid: bytes, now: int) -> None:
    """Register a voucher at all its servers as soon as a worker is free."""
    stores.tasks.urge(KIND, guid.hex(), now)


def plan_all(stores: Stores, now: int) -> None:
    """Register every voucher of a device that is not onboarded yet, anew."""
    stores.tasks.urge_all(KIND, now)


@dataclass(frozen=True, slots=True)
class Leg:
    """One server of one voucher: one directive, under several names."""

    urls: tuple[str, ...]
    pins: Trust

    @property
    def server(self) -> str:
        """What its circuit goes by: vouchers with wrong pins open no others'."""
        pins = (self.pins.server, self.pins.authority)
        digits = [one.value.hex()[:16] for one in pins if one is not None]
        return "#pin=".join((self.urls[0], *digits))

    @classmethod
    def of(cls, one: Candidates) -> "Leg":
        return cls(one.urls, Trust(None, one.server_hash, one.ca_hash))


class To0Work:
    """Does one TO0 task: every server that is due, once, all at the same time."""

    def __init__(
        self,
        context: Context,
        vouchers: OwnedVouchers,
        clients: FdoClients,
        gate: RvGate | None = None,
    ) -> None:
        self._context = context
        self._vouchers = vouchers
        self._clients = clients
        self._gate = gate or RvGate(context.stores.rv_servers, context.now)
        self._legs = ThreadPoolExecutor(LEGS, thread_name_prefix="to0")

    def close(self) -> None:
        """Wait for attempts under way; each ends within its limit."""
        self._legs.shutdown(cancel_futures=True)

    def run(self, task: Task, worker: str) -> None:
        """Register at every server that is due; plan when to come back."""
        tasks, now = self._context.stores.tasks, self._context.now()
        owned = self._vouchers.find(Guid.parse(task.subject))
        legs = () if owned is None or not self._wanted(owned) else _legs(owned)
        if owned is None or not legs:
            tasks.done(task, worker)
            return
        known = {one.server: one for one in attempts_of(task)}
        before = [known.get(leg.server, Attempt(leg.server)) for leg in legs]
        urged = is_urged(task)
        due = [
            (leg, last)
            for leg, last in zip(legs, before, strict=True)
            if urged or last.due <= now
        ]
        results = {one.server: one for one in self._attempts(owned, due)}
        after = [results.get(one.server, one) for one in before]
        self._plan_next(task, worker, after)

    def _wanted(self, owned: Owned) -> bool:
        """A device that has another GUID by now, or is retired, is not announced.

        One that we own is: its voucher was extended, so it is to be onboarded again.
        """
        guid = owned.voucher.guid.raw
        if owned.to2 is None:
            return False
        try:
            device = self._context.stores.devices.get(guid)
        except NotFound:
            return False
        return device.facts.retired_at is None and device.guid == guid

    def _attempts(
        self, owned: Owned, due: Sequence[tuple[Leg, Attempt]]
    ) -> list[Attempt]:
        """Try all at once; who is not through in time has failed."""
        running = [self._legs.submit(self._attempt, owned, *one) for one in due]
        wait(running, self._context.settings.to0_run_seconds + GRACE)
        pairs = zip(running, due, strict=True)
        return [self._result(future, *one) for future, one in pairs]

    def _result(self, future: "Future[Attempt]", leg: Leg, last: Attempt) -> Attempt:
        if future.cancel():  # it never began: our doing, not the server's
            return last.had_to_wait(self._context.now())
        if future.done():
            found = future.result()
            self._context.meters.to0.labels(found.result(last)).inc()
            return found
        seconds = self._context.settings.to0_run_seconds
        said = f"it took longer than {seconds} s in all"
        self._gate.failed(leg.server, said)
        self._context.meters.to0.labels("failed").inc()
        return last.failed(said, self._context.now())

    def _attempt(self, owned: Owned, leg: Leg, last: Attempt) -> Attempt:
        """Try one server; whatever comes of it is told in the answer."""
        try:
            env = self._env(owned)
            with self._gate.attempt(leg.server):
                granted = self._register(env, leg)
        except Busy:
            return last.had_to_wait(self._context.now())
        except LeftAlone as away:
            return last.left_alone(str(away), away.until, self._context.now())
        except (FdoClientError, ProtocolError, VoucherError, Problem) as error:
            return last.failed(refusal_told(error), self._context.now())
        now = self._context.now()
        with suppress(NotFound):  # onboarded meanwhile, so it has another GUID
            self._context.stores.devices.registered(
                owned.voucher.guid.raw, now + granted, leg.server, ACTOR, now
            )
        return last.took(granted, now)

    def _register(self, env: To0OwnerEnv, leg: Leg) -> int:
        """Run TO0; the server's circuit learns how it answered."""
        deadline = Deadline(self._context.settings.to0_run_seconds)
        try:
            with self._clients.pinned(leg.pins, leg.urls) as http:
                granted = run_protocol(http, leg.urls, lambda: To0Owner(env), deadline)
        except PeerFailed:
            self._gate.answered(leg.server)
            raise
        except (FdoClientError, ProtocolError, VoucherError) as error:
            self._gate.failed(leg.server, refusal_told(error))
            raise
        self._gate.answered(leg.server)
        return granted

    def _env(self, owned: Owned) -> To0OwnerEnv:
        if owned.signer is None:
            raise FdoClientError("the key that owns the voucher is not here")
        return To0OwnerEnv(
            owned.voucher,
            owned.signer,
            to2_addresses(self._context.stores.settings),
            self._context.settings.to0_wait_seconds,
        )

    def _plan_next(self, task: Task, worker: str, results: list[Attempt]) -> None:
        due = min(one.due for one in results)
        failed = [one for one in results if one.error]
        worst = max(failed, key=lambda one: one.failures, default=None)
        said = "" if worst is None else f"{worst.server}: {worst.error}"
        payload = payload_of(task, results)
        self._context.stores.tasks.again(task, worker, due, said, payload)


def _legs(owned: Owned) -> tuple[Leg, ...]:
    """Each directive's addresses: one server under several names."""
    found = owner_addresses(owned.voucher.header.rv_info)
    legs = [Leg.of(one) for one in found if one.urls]
    return tuple({leg.server: leg for leg in reversed(legs)}.values())[::-1]
