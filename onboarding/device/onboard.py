"""From a credential to an owner: the rendezvous information, walked until it leads.

What is to be tried is planned in ``onboarding.protocol.rv_plan``; here it is tried.
What to1d claims about the owner's whereabouts is only believed once TO2 has shown who
signed it. Source: FDO 1.1, sections 3.7, 5.4 and 5.5.
"""

import random
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import httpx

from onboarding.device.errors import NobodyThere, Unreachable
from onboarding.device.fdo_run import REFUSALS
from onboarding.device.http import client_of
from onboarding.device.interfaces import interfaces
from onboarding.device.machine import Machine
from onboarding.device.progress import Kind, Progress, Tell, silent
from onboarding.device.reach import Connect, Network, Resolve, Route, resolve
from onboarding.device.suites import AS_THE_OWNER, Suites
from onboarding.device.takeover import Clock, Meeting, Taken, ask_rendezvous
from onboarding.protocol.device_env import DeviceCredential
from onboarding.protocol.rv_medium import Interface
from onboarding.protocol.rv_plan import Note, Skip, Try, Wait, jittered, plan
from onboarding.tls import PUBLIC, Trust
from onboarding.wire.to0 import To1dPayload
from ownership_vouchers.cose import Sign1
from ownership_vouchers.rendezvous import (
    Candidates,
    RendezvousInfo,
    usable_urls,
)

__all__ = ["Onboarder", "Patience", "Taken"]

Failure = tuple[str, Exception]
"""The address tried, and what came of it."""

Look = Callable[[], Sequence[Interface] | None]
"""The network interfaces that there are now; None where that cannot be told."""

MAX_DELAY = 3600.0  # seconds, whatever the rendezvous information says
MAX_FAILURES = 32  # that are remembered
FOLLOWED = 600.0  # seconds for what a rendezvous server names, which nobody vouches for


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to go on.

    ``rounds`` counts walks through the rendezvous information, None is for ever;
    ``max_delay`` is the longest wait in seconds; ``draw`` gives 0 to 1, evenly.
    """

    rounds: int | None = 1
    max_delay: float = MAX_DELAY
    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic
    draw: Callable[[], float] = random.random


@dataclass(frozen=True, slots=True)
class Onboarder:
    """One device on its way to its owner.

    ``trust`` is what ``client`` was made with; ``tell`` hears of all that is tried.
    """

    machine: Machine
    client: httpx.Client
    patience: Patience = Patience()
    trust: Trust = PUBLIC
    tell: Tell = silent
    resolve: Resolve = resolve
    suites: Suites = AS_THE_OWNER
    interfaces: Look = interfaces
    connect: Connect = client_of

    def run(self) -> Taken:
        """Onboard, trying everything the rendezvous information names.

        Raises:
            NotOnboarded: The device has not been made yet.
            NobodyThere: Nothing worked; says what was tried and how each ended.
        """
        failures: deque[Failure] = deque(maxlen=MAX_FAILURES)
        number, rounds = 0, self.patience.rounds
        while rounds is None or number < rounds:
            last = rounds is not None and number + 1 == rounds
            taken = self._round(number, failures, last=last)
            if taken is not None:
                self.tell(Progress(Kind.TAKEN, taken.owner_url))
                return taken
            number += 1
        self.tell(Progress(Kind.GIVEN_UP, f"after {_rounds(number)}"))
        raise NobodyThere(tuple(failures))

    def _round(
        self, number: int, failures: deque[Failure], *, last: bool
    ) -> Taken | None:
        """Walk the list once; nothing is waited for after the very last try."""
        credentials = self.machine.identity().candidates()
        infos = [RendezvousInfo.from_cbor(one.rv_info) for one in credentials]
        steps = plan(infos, number, self.interfaces())
        for place, step in enumerate(steps, 1):
            match step:
                case Try(credential, candidates, through):
                    used = credentials[credential]
                    attempt = _Attempt(self, used, candidates, failures)
                    taken = attempt.run(through)
                    if taken is not None:
                        return taken
                case Wait() if not (last and place == len(steps)):
                    self._wait(step)
                case Skip(_, directive, why):
                    where = f"directive {directive}"
                    self.tell(Progress(Kind.SKIPPED, where, why))
                case Note(_, directive, why):
                    self.tell(Progress(Kind.NOTED, f"directive {directive}", why))
        return None

    def _wait(self, step: Wait) -> None:
        pause = jittered(step.seconds, self.patience.draw())
        pause = min(pause, self.patience.max_delay)
        if pause > 0:
            self.tell(Progress(Kind.WAITING, "", step.why, pause))
            self.patience.sleep(pause)


class _Attempt:
    """Everything that one directive leads to, for one credential."""

    def __init__(
        self,
        onboarder: Onboarder,
        credential: DeviceCredential,
        found: Candidates,
        failures: deque[Failure],
    ) -> None:
        self._machine = onboarder.machine
        self._network = Network(
            onboarder.client, onboarder.trust, onboarder.resolve, onboarder.connect
        )
        patience = onboarder.patience
        self._clock = Clock(patience.sleep, patience.monotonic)
        self._tell = onboarder.tell
        self._suites = onboarder.suites
        self._credential = credential
        self._found = found
        self._failures = failures
        # Each to1d that was followed, and through which interface.
        self._believed: set[tuple[bytes, str | None]] = set()

    def run(self, through: Sequence[str] = ()) -> Taken | None:
        """Try each address until one leads to the owner; note how the others ended.

        Args:
            through: Network interfaces to try them by, one after the other; also the
                owner that they lead to. None: by whatever network there is.
        """
        for name in through or (None,):
            for url in self._found.urls:
                for route in self._routes(url, name):
                    taken = self._try(route)
                    if taken is not None:
                        return taken
        return None

    def _try(self, route: Route) -> Taken | None:
        if self._found.bypass:
            return self._meet(route, None, self._found)
        try:
            self._tell(Progress(Kind.TRYING, f"rendezvous {route}"))
            with self._network.channel(route, self._found) as channel:
                to1d = ask_rendezvous(self._machine, channel, self._credential)
            owners = _owner_urls(to1d)
        except REFUSALS as error:
            self._failed(f"rendezvous {route}", error)
            return None
        return self._follow(to1d, owners, route.through)

    def _follow(
        self, to1d: bytes, owners: Sequence[str], through: str | None
    ) -> Taken | None:
        """Try the owner at each address of to1d; once, if many servers say the same.

        Nothing of to1d is proved yet: it must not keep us from other servers for long.
        """
        if (to1d, through) in self._believed:
            return None
        self._believed.add((to1d, through))
        latest = self._clock.monotonic() + FOLLOWED
        for url in owners:
            for route in self._routes(url, through):
                if self._clock.monotonic() > latest:
                    late = Unreachable("not tried: those before it took too long")
                    self._failed(f"owner {route}", late)
                    return None
                taken = self._meet(route, to1d, None)
                if taken is not None:
                    return taken
        return None

    def _meet(
        self,
        route: Route,
        to1d: bytes | None,
        pinned: Candidates | None,
    ) -> Taken | None:
        try:
            self._tell(Progress(Kind.TRYING, f"owner {route}"))
            with self._network.channel(route, pinned) as channel:
                return Meeting(
                    self._machine,
                    channel,
                    self._credential,
                    route.url,
                    to1d,
                    self._network.trust,
                    self._clock,
                    self._suites,
                ).run()
        except REFUSALS as error:
            self._failed(f"owner {route}", error)
            return None

    def _routes(self, url: str, through: str | None) -> Iterator[Route]:
        try:
            yield from self._network.routes(url, through)
        except Unreachable as error:
            self._failed(url, error)

    def _failed(self, where: str, error: Exception) -> None:
        self._failures.append((where, error))
        self._tell(Progress(Kind.FAILED, where, str(error)))


def _rounds(number: int) -> str:
    return "one round" if number == 1 else f"{number} rounds"


def _owner_urls(to1d: bytes) -> tuple[str, ...]:
    """Where to1d says the owner is; not to be believed yet.

    Raises:
        Unreachable: None of it can be tried.
        VoucherError: It is not a to1d.
    """
    payload = To1dPayload.from_cbor(Sign1.from_cbor(to1d).payload)
    urls = usable_urls(payload.addresses)
    if not urls:
        raise Unreachable("it names no address of the owner that can be tried")
    return urls
