"""Devices in every state, one of them with a long story. TEST KEYS."""

from dataclasses import dataclass

from attestation.appraisal import Verdict
from attestation.cohort import Cohort
from onboarding.services.context import Context
from ownership_vouchers.types import Guid
from tests.support.console_stock import Stock
from tests.support.owner_bench import Clock

HOSTILE = (
    "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>\u202egpj.exe\x1b[2J"
)
HOUR = 3600


@dataclass(frozen=True)
class Fleet:
    """The devices by what is told of them."""

    story: Guid
    released: Guid
    withdrawn: Guid
    failed: Guid
    stale: Guid
    registered: Guid
    hostile: Guid
    unbound: Guid


def fill(context: Context, clock: Clock) -> Fleet:
    """Let some weeks pass; the clock ends where it began."""
    end = clock.now
    clock.now = end - 20 * 24 * HOUR
    stock = Stock(context, clock)
    fleet = Fleet(
        _story(stock, clock, end),
        _released(stock, clock, end),
        _withdrawn(stock, clock, end),
        _failed(stock, clock, end),
        _stale(stock, clock, end),
        _registered(stock, clock, end),
        stock.imported("SBC-0666", HOSTILE),
        _unbound(stock, clock, end),
    )
    _retired(stock, clock, end)
    _cohorts(stock, clock, end)
    clock.now = end
    return fleet


def _story(stock: Stock, clock: Clock, end: float) -> Guid:
    """Released, taken back after a failure, and released again since."""
    clock.now = end - 9 * HOUR
    guid = stock.imported("SBC-0001")
    clock.now += 600
    stock.registered(guid)
    clock.now += 600
    stock.onboarded(guid)
    stock.asked(guid)
    for number in range(8):
        clock.now += 400
        stock.appraised(guid)
        if number == 0:
            stock.released(guid)
    clock.now += 400
    stock.appraised(guid, Verdict.FAILED)
    stock.asked(guid)
    clock.now += 30
    stock.removed(guid)
    clock.now += 600
    stock.appraised(guid, Verdict.NOT_CHECKED)
    clock.now = end - 3000
    for number in range(7):
        clock.now += 420
        stock.appraised(guid)
        if number == 0:
            stock.released(guid)
    return guid


def _released(stock: Stock, clock: Clock, end: float) -> Guid:
    clock.now = end - 2 * HOUR
    guid = stock.imported("SRV-0001", "rack server, TPM 2.0")
    stock.onboarded(guid)
    clock.now = end - 30
    stock.appraised(guid)
    stock.released(guid)
    return guid


def _withdrawn(stock: Stock, clock: Clock, end: float) -> Guid:
    clock.now = end - 3 * HOUR
    guid = stock.imported("SBC-0002")
    stock.onboarded(guid)
    clock.now = end - 1200
    stock.appraised(guid)
    stock.released(guid)
    clock.now = end - 900
    stock.appraised(guid, Verdict.FAILED)
    return guid


def _failed(stock: Stock, clock: Clock, end: float) -> Guid:
    clock.now = end - 3 * HOUR
    guid = stock.imported("SBC-0005")
    stock.onboarded(guid)
    clock.now = end - 1200
    stock.appraised(guid, Verdict.FAILED)
    return guid


def _stale(stock: Stock, clock: Clock, end: float) -> Guid:
    clock.now = end - 5 * 24 * HOUR
    guid = stock.imported("SBC-0003")
    stock.onboarded(guid)
    clock.now += 60
    stock.appraised(guid)
    return guid


def _registered(stock: Stock, clock: Clock, end: float) -> Guid:
    clock.now = end - HOUR
    guid = stock.imported("SBC-0004")
    stock.registered(guid)
    return guid


def _unbound(stock: Stock, clock: Clock, end: float) -> Guid:
    clock.now = end - HOUR
    guid = stock.imported("OLD-0001", "board without TPM", passport=False)
    stock.onboarded(guid, bound=False)
    return guid


def _retired(stock: Stock, clock: Clock, end: float) -> None:
    clock.now = end - 2 * 24 * HOUR
    guid = stock.imported("SBC-0000")
    stock.onboarded(guid)
    now = stock.context.now()
    stock.context.stores.devices.retire(guid.raw, "sold", "apikey:0b", now)


def _cohorts(stock: Stock, clock: Clock, end: float) -> None:
    """One held to its policy, and one that is only looked at."""
    clock.now = end - 4 * 24 * HOUR
    cohorts, now = stock.context.stores.cohorts, stock.context.now()
    held = Cohort("basel", {"site": "Basel", "ring": "production"}, "boot", 1)
    cohorts.enforce(cohorts.observe(held, "apikey:5ec", now).cohort, "apikey:5ec", now)
    clock.now = end - HOUR
    canary = Cohort("canary", {"ring": "canary"}, "boot", 2)
    cohorts.observe(canary, "apikey:5ec", stock.context.now())
