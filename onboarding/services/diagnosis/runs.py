"""What the runs of a device tell: the rules that look at traces."""

from onboarding.services.diagnosis.facts import Facts, name_of
from onboarding.services.diagnosis.words import (
    Advice,
    Why,
    ago,
    in_a_row,
    remedy_of,
    where,
)
from onboarding.store.traces import Trace

UNDER_WAY_SECONDS = 120


def _open_to2(facts: Facts) -> Trace | None:
    """The newest TO2, unless it ended well or the device was taken since."""
    run = facts.last("TO2")
    if run is None or run.done:
        return None
    owned = facts.device.facts.owned_at if facts.device is not None else None
    return None if owned is not None and run.updated <= owned else run


def under_way(facts: Facts) -> Advice | None:
    run = _open_to2(facts)
    if run is None or run.refused is not None:
        return None
    passed = facts.now - run.updated
    if passed > UNDER_WAY_SECONDS:
        return None
    return Advice(
        Why.UNDER_WAY,
        f"The device is in TO2 now: message {run.passed} was taken {ago(passed)};"
        " wait until it is through.",
    )


def stopped(facts: Facts) -> Advice | None:
    run = _open_to2(facts)
    if run is None or run.refused is None:
        return None
    why = Why.REFUSED_BY_DEVICE if run.by_peer else Why.REFUSED_HERE
    return Advice(why, f"{where(facts, run)} {remedy_of(run)}")


def silent(facts: Facts) -> Advice | None:
    run = _open_to2(facts)
    if run is None:
        return None
    often = facts.tries("TO2")
    return Advice(
        Why.WENT_SILENT,
        f"The device went silent in TO2 after message {run.passed}"
        f" ({name_of(run.passed)}) {ago(facts.now - run.updated)}{in_a_row(often)}."
        f" {_after(run.passed or 0)}",
    )


def _after(passed: int) -> str:
    if passed < 64:
        return (
            "It does not accept this owner's answer, or does not get it: read the"
            " device's log, and check that the voucher is the one of this very device."
        )
    return "Check the device's power, network and log; it begins again by itself."


def of_di(facts: Facts) -> Advice | None:
    """A factory is asked about a device that never got its credential."""
    run = facts.last("DI")
    if run is None or run.done or facts.voucher is not None:
        return None
    if run.refused is None:
        return Advice(
            Why.NEVER_MADE,
            f"DI was begun {ago(facts.now - run.updated)} and not finished: read the"
            " device's log, and begin again.",
        )
    return Advice(Why.NEVER_MADE, f"{where(facts, run)} {remedy_of(run)}")


def asked_rendezvous(facts: Facts) -> Advice | None:
    run = facts.last("TO1")
    if run is None:
        return None
    when = ago(facts.now - run.updated)
    if run.done:
        return Advice(
            Why.REDIRECTED,
            f"The rendezvous server sent the device to its owner {when}, and it has not"
            " come: check that the owner's TO2 address is right and can be reached from"
            " the device's network.",
        )
    if run.refused is None:
        said = f"The device said hello to the rendezvous server {when} and no more."
        return Advice(Why.NOT_REDIRECTED, f"{said} Check the device's network and log.")
    return Advice(Why.NOT_REDIRECTED, f"{where(facts, run)} {remedy_of(run)}")


def refused_owner(facts: Facts) -> Advice | None:
    """A rendezvous server is asked about a device it does not know."""
    run = facts.last("TO0")
    if run is None or run.refused is None or facts.live:
        return None
    return Advice(Why.NOT_REGISTERED, f"{where(facts, run)} {remedy_of(run)}")
