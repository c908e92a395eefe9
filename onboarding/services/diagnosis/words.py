"""How a diagnosis is worded: what became of a run, and what that calls for."""

from dataclasses import dataclass
from enum import StrEnum, unique

from onboarding.services.diagnosis.facts import Facts, name_of
from onboarding.store.traces import Trace


@unique
class Why(StrEnum):
    """Where the device stands, for programs."""

    RETIRED = "retired"
    UNDER_WAY = "under-way"
    REFUSED_HERE = "refused-here"
    REFUSED_BY_DEVICE = "refused-by-device"
    WENT_SILENT = "went-silent"
    MODULE_FAILED = "module-failed"
    ONBOARDED = "onboarded"
    NEVER_MADE = "never-made"
    ASKED_IN_VAIN = "asked-in-vain"
    UNKNOWN = "unknown"
    NOT_OUR_VOUCHER = "not-our-voucher"
    KEY_BLOCKED = "key-blocked"
    MADE = "made"
    MADE_ANEW = "made-anew"
    SAME_SERIAL = "same-serial"
    NO_RENDEZVOUS = "no-rendezvous"
    NOT_REGISTERED = "not-registered"
    REGISTERING = "registering"
    DENIED = "denied"
    REDIRECTED = "redirected"
    NOT_REDIRECTED = "not-redirected"
    NOT_SEEN = "not-seen"


@dataclass(frozen=True, slots=True)
class Advice:
    """``sentence`` says both: what is the matter, and what to do."""

    why: Why
    sentence: str


def ago(seconds: int) -> str:
    """Write how long ago something was, in one unit."""
    for size, unit in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit} ago"
    return f"{max(seconds, 0)} s ago"


def where(facts: Facts, run: Trace) -> str:
    """Say at which message a run stopped, with what error, and in whose words."""
    peer = "the owner" if run.protocol == "TO0" else "the device"
    who = f"{peer if run.by_peer else 'this service'} says"
    often = in_a_row(facts.tries(run.protocol))
    at = f"message {run.refused} ({name_of(run.refused)})"
    if not run.refused:
        at = "a message it does not name"
    return (
        f"{run.protocol} stopped at {at} with error {run.code},"
        f" {ago(facts.now - run.updated)}{often};"
        f" {who}: {run.error.rstrip('.') or 'nothing more'}."
    )


def in_a_row(tries: int) -> str:
    """Add how often something failed, if more than once."""
    return f", {tries} tries in a row" if tries > 1 else ""


_REMEDIES: dict[tuple[str, int | None, int | None], str] = {
    ("DI", None, 500): "Mend the factory's own settings: its rendezvous information"
    " and its keys.",
    ("DI", None, 100): "The device's firmware sends what this service cannot read:"
    " compare its DI client with the guide for device builders.",
    ("DI", None, 101): "Mend what it names, at the device or among the factory's keys.",
    ("TO0", None, 2): "Trust the voucher's manufacturer at the rendezvous server, let"
    " its owner register there (`vouchgate rendezvous`), or have the owner send its"
    " newest voucher.",
    ("TO0", None, 3): "The owner signs with a key that is not the voucher's last one.",
    ("TO0", None, 4): "Correct the owner's TO2 address.",
    ("TO1", None, 6): "Whoever runs the rendezvous server said so, and can take it"
    " back: `vouchgate rendezvous rules` lists why.",
    ("TO1", 32, 101): "The device's key is not the one of its voucher: if it was"
    " initialised again, its newer voucher has to be registered.",
    ("TO2", 60, 101): "Device and owner have no suite in common: give the voucher an"
    " owner key of the kind that the device knows.",
    ("TO2", 60, 6): "Import the voucher again.",
    ("TO2", 62, 101): "The device counts other entries than the voucher has: import"
    " its newest voucher.",
    ("TO2", 64, 101): "The device's key is not the one of its voucher: if it was"
    " initialised again, import the newer voucher.",
    ("TO2", 68, 101): "Mend what the module names, or no longer require it; then"
    " switch the device on again.",
    ("TO2", 70, 101): "Mend what it names, then switch the device on again.",
    ("TO2", None, 100): "Device and owner do not read each other's messages: something"
    " between them changes them, or the device's firmware is at fault.",
    ("TO2", None, 102): "The device does not allow its credential to be reused: set"
    " the plan of its voucher to replace it.",
    ("", None, 500): "The fault is on the side that says so: its log has it.",
}
_BY_DEVICE = (
    "The device ended it: read its log, and check that the voucher is the one of this"
    " very device."
)


def remedy_of(run: Trace) -> str:
    """What to do about a run that stopped with an error."""
    for key in (
        (run.protocol, run.refused, run.code),
        (run.protocol, None, run.code),
        ("", None, run.code),
    ):
        known = _REMEDIES.get(key)
        if known is not None and not (run.by_peer and run.code == 101):
            return known
    if run.by_peer:
        return _BY_DEVICE
    return "The log of this service has more; the device begins again by itself."
