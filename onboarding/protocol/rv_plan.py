"""What a device tries on its way to its owner, and when: one round of it as a list.

Source: FDO 1.1, section 3.7. Nothing is tried here, and nothing waited for.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from onboarding.protocol import rv_medium
from onboarding.protocol.rv_medium import Interface
from ownership_vouchers.rendezvous import (
    Candidates,
    RendezvousInfo,
    RvDirective,
    RvVariable,
    device_addresses,
)

LAST_DELAY = 120  # seconds after the last directive, unless it says otherwise
FIRST_PAUSE = 3  # seconds that even a round without any wait takes; then twice that
JITTER = 0.25


@dataclass(frozen=True, slots=True)
class Skip:
    """A directive that gives this device nothing to try; ``number`` is its place."""

    credential: int
    number: int
    why: str


@dataclass(frozen=True, slots=True)
class Note:
    """What a directive asks for besides its addresses, and this device does not do.

    The addresses are tried all the same, by whatever network there is.
    """

    credential: int
    number: int
    why: str


@dataclass(frozen=True, slots=True)
class Try:
    """Addresses to try in order; what follows in the list counts if all of them fail.

    ``credential`` says with which of the device's credentials, counted from 0;
    ``through`` by which network interfaces, one after the other, and by whatever
    network there is if it names none.
    """

    credential: int
    candidates: Candidates
    through: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Wait:
    """A pause, in seconds before jitter."""

    seconds: int
    why: str


Step = Skip | Note | Try | Wait


def plan(
    infos: Sequence[RendezvousInfo],
    number: int = 0,
    interfaces: Sequence[Interface] | None = None,
) -> tuple[Step, ...]:
    """Return round ``number`` (from 0) through everything there is to try.

    Each directive is followed by the delay it states. The round ends with the last
    directive's: 120 seconds if that states none. Rounds that would not wait at all
    are kept apart by pauses that double up to 120 seconds.

    Args:
        infos: The rendezvous information of each credential, likeliest first; what
            ends the round is waited for once, after all of them.
        interfaces: The network interfaces of this machine. A directive for one that is
            not among them is left out with all it says. None where they cannot be
            told or chosen: then any network will do, and that is noted.
    """
    walks = [
        (n, info, _applying(info, interfaces), interfaces)
        for n, info in enumerate(infos)
    ]
    steps = [step for walk in walks for step in _walk(*walk)]
    stated = sum(step.seconds for step in steps if isinstance(step, Wait))
    end = max((_end(found) for _, _, found, _ in walks), default=LAST_DELAY)
    if stated + end == 0:
        end = min(FIRST_PAUSE << min(number, 6), LAST_DELAY)
    return (*steps, Wait(end, "then all over again"))


def jittered(seconds: float, fraction: float) -> float:
    """Return a pause up to a quarter shorter or longer.

    A fleet that starts at once must not come back at once.

    Args:
        fraction: Drawn evenly from 0 to 1.
    """
    return seconds * (1 - JITTER + 2 * JITTER * fraction)


def _end(found: Sequence[Candidates]) -> int:
    """What is waited for after the last directive that is for this device."""
    delay = found[-1].delay if found else None
    return LAST_DELAY if delay is None else delay


def _applying(
    info: RendezvousInfo, interfaces: Sequence[Interface] | None
) -> tuple[Candidates, ...]:
    """What there is to try for the directives that are for this machine."""
    return tuple(
        one
        for one in device_addresses(info)
        if not _lacking(info.directives[one.number - 1], interfaces)
    )


def _walk(
    credential: int,
    info: RendezvousInfo,
    found: Sequence[Candidates],
    interfaces: Sequence[Interface] | None,
) -> Iterator[Step]:
    """The directives in order, without the wait at the end."""
    known = {one.number: one for one in found}
    for number, directive in enumerate(info.directives, 1):
        one = known.get(number)
        if one is None:
            yield Skip(credential, number, _why_not(directive, interfaces))
            continue
        if one.urls:
            medium = _medium(directive)
            through: tuple[str, ...] = ()
            if medium is not None and interfaces is not None:
                through = rv_medium.chosen(medium, interfaces)
            unmet = _unmet(directive, chosen=bool(through))
            if unmet:
                yield Note(credential, number, f"{_UNMET}: {', '.join(unmet)}")
            yield Try(credential, one, through)
        elif one.delay is None:
            yield Skip(credential, number, _NOWHERE)
        if one.delay is not None and one is not found[-1]:
            yield Wait(one.delay, f"as directive {number} says")


def _medium(directive: RvDirective) -> int | None:
    medium = directive.value(RvVariable.MEDIUM)
    return medium if isinstance(medium, int) else None


def _lacking(
    directive: RvDirective, interfaces: Sequence[Interface] | None
) -> str | None:
    """Say which network interface it is for that there is not here; or None."""
    medium = _medium(directive)
    if medium is None or interfaces is None or rv_medium.chosen(medium, interfaces):
        return None
    return f"it is for {rv_medium.words(medium)}, which is not on this machine"


def _why_not(directive: RvDirective, interfaces: Sequence[Interface] | None) -> str:
    named = {instruction.variable for instruction in directive.instructions}
    if RvVariable.OWNER_ONLY in named:
        return _OWNER
    if RvVariable.EXT_RV in named:
        return _OTHER
    return _lacking(directive, interfaces) or _OTHER


def _unmet(directive: RvDirective, *, chosen: bool) -> list[str]:
    """What it asks for that is the operating system's to give, in words.

    A secret of it is named and not shown.
    """
    found = []
    medium = _medium(directive)
    if medium is not None and not chosen:
        found.append(rv_medium.words(medium))
    ssid = directive.value(RvVariable.WIFI_SSID)
    if isinstance(ssid, str):
        found.append(f"the wireless network {ssid[:_SHOWN]!r}")
    if directive.value(RvVariable.USER_INPUT) is True:
        found.append("input by a person")
    return found


_SHOWN = 32  # characters; bytes that a network's name may have
_UNMET = "left to this machine's own network settings"
_OWNER = "it is for the owner"
_OTHER = "its way of rendezvous is not known here"
_NOWHERE = "it names no address that can be tried"
