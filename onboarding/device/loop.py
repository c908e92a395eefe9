"""The device's day: answer for what runs, look for what to run, and again."""

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass

from attestation.errors import AttestationError, Refused
from hw.errors import HwError
from onboarding.device.agent import Agent
from onboarding.device.attest import Verdict
from onboarding.device.errors import DeviceError, Problem

MAX_BACKOFF = 8  # intervals
EXPECTED = (DeviceError, HwError, AttestationError)


@dataclass(frozen=True, slots=True)
class Event:
    """Something a person would want to read in the device's log."""

    name: str  # attested, applied, unchanged, removed, refused, error
    detail: str
    remedy: str = ""  # what to do about it


def run(
    agent: Agent,
    interval: float,
    stop: threading.Event,
    tell: Callable[[Event], None],
    rounds: int | None = None,
) -> None:
    """Attest and look for work every ``interval`` seconds until ``stop`` is set.

    An error is told and tried again later; only ``stop`` ends this.

    Args:
        rounds: How often at most; None for ever.
    """
    failures, done = 0, 0
    while not stop.is_set() and (rounds is None or done < rounds):
        failures = 0 if _once(agent, tell) else failures + 1
        done += 1
        if done != rounds:
            wait = interval * min(2**failures, MAX_BACKOFF) if failures else interval
            stop.wait(wait * random.uniform(0.9, 1.1))  # noqa: S311 - no secret


def _once(agent: Agent, tell: Callable[[Event], None]) -> bool:
    """One round; a device that may not attest still looks for a removal order."""
    attested = _attempt(lambda: _attest(agent), tell)
    return _attempt(lambda: _sync(agent), tell) and attested


def _attempt(work: Callable[[], Event], tell: Callable[[Event], None]) -> bool:
    try:
        tell(work())
    except Problem as problem:
        tell(Event("refused", problem.detail, problem.remedy))
        return problem.status < 500
    except Refused as refusal:
        tell(Event("error", refusal.sentence, refusal.remedy))
        return False
    except EXPECTED as error:
        tell(Event("error", str(error)))
        return False
    return True


def _attest(agent: Agent) -> Event:
    attested = agent.attest()
    numbers = ", ".join(map(str, attested.pcrs)) or "none"
    if attested.verdict is None:
        return Event("attested", f"evidence on PCRs {numbers} handed over by push")
    if attested.verdict.passed:
        told = f"passed, PCRs {numbers} compared{_boot_told(attested.verdict)}"
        return Event("attested", told)
    said = attested.verdict.said.replace("-", " ")
    return Event("attested", f"{said}: {'; '.join(attested.verdict.failures)}")


def _boot_told(verdict: Verdict) -> str:
    """How much of the boot's event log was compared, if any was."""
    count = verdict.noted("boot-events")
    return f", {count} events of the boot" if count else ""


def _sync(agent: Agent) -> Event:
    outcome = agent.sync()
    what = f"{outcome.name} {outcome.version} ({len(outcome.paths)} files)"
    return Event(outcome.change.value, f"{what} {outcome.reason}".strip())
