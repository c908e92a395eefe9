"""What a device tries on its way to its owner, and when: one round of it as a list.

Source: FDO 1.1, section 3.7. Nothing is tried here, and nothing waited for.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

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

    ``credential`` says with which of the device's credentials, counted from 0.
    """

    credential: int
    candidates: Candidates


@dataclass(frozen=True, slots=True)
class Wait:
    """A pause, in seconds before jitter."""

    seconds: int
    why: str


Step = Skip | Note | Try | Wait


def plan(infos: Sequence[RendezvousInfo], number: int = 0) -> tuple[Step, ...]:
    """Return round ``number`` (from 0) through everything there is to try.

    Each directive is followed by the delay it states. The round ends with the last
    directive's: 120 seconds if that states none. Rounds that would not wait at all
    are kept apart by pauses that double up to 120 seconds.

    Args:
        infos: The rendezvous information of each credential, likeliest first; what
            ends the round is waited for once, after all of them.
    """
    walks = [(n, info, device_addresses(info)) for n, info in enumerate(infos)]
    steps = [step for walk in walks for step in _walk(*walk)]
    stated = sum(step.seconds for step in steps if isinstance(step, Wait))
    end = max((_end(found) for _, _, found in walks), default=LAST_DELAY)
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


def _walk(
    credential: int, info: RendezvousInfo, found: Sequence[Candidates]
) -> Iterator[Step]:
    """The directives in order, without the wait at the end."""
    known = {one.number: one for one in found}
    for number, directive in enumerate(info.directives, 1):
        one = known.get(number)
        if one is None:
            named = {instruction.variable for instruction in directive.instructions}
            yield Skip(credential, number, _OWNER if _IS_OWNERS in named else _OTHER)
            continue
        if one.urls:
            unmet = _unmet(directive)
            if unmet:
                yield Note(credential, number, f"{_UNMET}: {', '.join(unmet)}")
            yield Try(credential, one)
        elif one.delay is None:
            yield Skip(credential, number, _NOWHERE)
        if one.delay is not None and one is not found[-1]:
            yield Wait(one.delay, f"as directive {number} says")


def _unmet(directive: RvDirective) -> list[str]:
    """What it asks for that is the operating system's to give, in words.

    A secret of it is named and not shown.
    """
    found = []
    medium = directive.value(RvVariable.MEDIUM)
    if isinstance(medium, int):
        found.append(_medium(medium))
    ssid = directive.value(RvVariable.WIFI_SSID)
    if isinstance(ssid, str):
        found.append(f"the wireless network {ssid[:_SHOWN]!r}")
    if directive.value(RvVariable.USER_INPUT) is True:
        found.append("input by a person")
    return found


def _medium(number: int) -> str:
    """Source: FDO 1.1, section 3.6.2 (RVMediumValue)."""
    if number in _MEDIA:
        return _MEDIA[number]
    if number < _OF_A_KIND:
        return f"wired interface {number}"
    if number < 2 * _OF_A_KIND:
        return f"wireless interface {number - _OF_A_KIND}"
    return f"medium {number}"


_MEDIA = {20: "any wired interface", 21: "any wireless interface"}
_OF_A_KIND = 10
_SHOWN = 32  # characters; bytes that a network's name may have
_UNMET = "left to this machine's own network settings"
_IS_OWNERS = RvVariable.OWNER_ONLY
_OWNER = "it is for the owner"
_OTHER = "its way of rendezvous is not known here"
_NOWHERE = "it names no address that can be tried"
