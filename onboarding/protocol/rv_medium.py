"""Which of a machine's network interfaces RVMedium means.

Source: FDO 1.1, section 3.6.2 (RVMediumValue): the first to the tenth wired or wireless
interface, whatever they are called here, or all of a kind.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

_OF_A_KIND = 10
_ALL = {20: False, 21: True}  # by whether they are wireless
_KINDS = {False: "wired", True: "wireless"}
_NUMBER = re.compile(r"(\d+)")


@dataclass(frozen=True, slots=True)
class Interface:
    """One network interface, by the name the operating system has for it."""

    name: str
    wireless: bool

    @property
    def order(self) -> list[object]:
        """Sorts ``eth2`` before ``eth10``."""
        parts = _NUMBER.split(self.name)
        return [int(part) if place % 2 else part for place, part in enumerate(parts)]


def chosen(medium: int, interfaces: Sequence[Interface]) -> tuple[str, ...]:
    """Return the names of those that ``medium`` stands for, in the order to try them.

    Interfaces of a kind are counted in the order of their names, which stays the same
    from one start of the machine to the next. None of them: there is no such one here,
    or no such medium.
    """
    if medium in _ALL:
        return _names(interfaces, wireless=_ALL[medium])
    if medium >= 2 * _OF_A_KIND:
        return ()
    names = _names(interfaces, wireless=medium >= _OF_A_KIND)
    place = medium % _OF_A_KIND
    return names[place : place + 1]


def _names(interfaces: Sequence[Interface], *, wireless: bool) -> tuple[str, ...]:
    fitting = [one for one in interfaces if one.wireless is wireless]
    return tuple(one.name for one in sorted(fitting, key=lambda one: one.order))


def words(medium: int) -> str:
    """Say for people what ``medium`` stands for."""
    if medium in _ALL:
        return f"any {_KINDS[_ALL[medium]]} interface"
    if medium < 2 * _OF_A_KIND:
        kind = _KINDS[medium >= _OF_A_KIND]
        return f"{kind} interface {medium % _OF_A_KIND}"
    return f"medium {medium}"
