"""Board profiles: what kind of machine a device is, and what it can show of its boot.

Each is a file in ``hw/boards``, of the form that ``schema.json`` there gives: a new
board is a new file, there or in the directory that ``VOUCHGATE_BOARDS`` names. Found by
what the machine says of itself, declared by its manufacturer, and never more than a
claim: what a device shows is in its quotes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum, unique
from functools import cache
from typing import Any, Literal

from hw import board_files
from hw.board_schema import read_document
from hw.errors import HwError
from hw.evidence import AkAlg
from hw.machine_facts import MachineFacts

_NEVER_PINNED = frozenset({10, 16, 23})


@unique
class Assurance(StrEnum):
    """What a board can show of its boot, from most to least."""

    MEASURED_BOOT = "measured-boot"
    PCRS_ONLY = "pcrs-only"
    UNMEASURED = "tpm-without-measured-boot"
    NO_TPM = "no-tpm"

    @property
    def shows(self) -> str:
        """What such a board can show, as a sentence for operators."""
        return self.shows_by("its keys")

    def shows_by(self, keys: str) -> str:
        """The same, of a device of which only ``keys`` are where they should be."""
        return _SHOWS[self][0].format(keys=keys)

    @property
    def does_not_show(self) -> str:
        """What it cannot show, whatever is asked of it."""
        return _SHOWS[self][1]


_SHOWS = {
    Assurance.MEASURED_BOOT: (
        "which firmware, boot loader and kernel ran, event by event, and {keys}",
        "what ran before the firmware's first measurement",
    ),
    Assurance.PCRS_ONLY: (
        "that the boot gave the same PCR values as a known one, and {keys}",
        "which of the boot's parts is another when a value is another",
    ),
    Assurance.UNMEASURED: (
        "that {keys} are in one TPM",
        "anything of its boot: nothing measures it into the TPM",
    ),
    Assurance.NO_TPM: (
        "that it has the files {keys} are in",
        "that these files are not copied, or anything of its boot",
    ),
}


@dataclass(frozen=True, slots=True)
class Match:
    """Conditions that all must hold; those that are None or empty are none."""

    device_tree: tuple[str, ...] = ()
    dmi: tuple[tuple[str, str], ...] = ()
    tpm: bool | None = None
    tpm_manufacturer: tuple[str, ...] = ()
    measured: bool | None = None
    event_log: bool | None = None

    def holds(self, facts: MachineFacts) -> bool:
        """Whether this machine is one of these."""
        return (
            _any_of(self.device_tree, facts.device_tree)
            and all(_like(wanted, facts.dmi.get(name)) for name, wanted in self.dmi)
            and _any_of(self.tpm_manufacturer, (facts.tpm_manufacturer,))
            and _is(self.tpm, facts.tpm)
            and _is(self.measured, bool(facts.measured))
            and _is(self.event_log, facts.event_log)
        )

    @property
    def weight(self) -> int:
        """How much it asks for: a name counts for more than any state."""
        names = [*self.device_tree[:1], *(value for _, value in self.dmi)]
        named = sum(
            10 if one != "*" else 1 for one in (*names, *self.tpm_manufacturer[:1])
        )
        states = (self.tpm, self.measured, self.event_log)
        return named + sum(one is not None for one in states)


@dataclass(frozen=True, slots=True)
class BoardProfile:
    """How a kind of board is attested.

    ``pcrs`` are those that its boot chain fills and a policy should pin: never 10 (the
    IMA list, judged by its entries) nor 16 and 23 (left to whoever likes); none where
    nothing measures the boot. ``caveat`` is what such a board cannot show either,
    whatever its level.
    """

    name: str
    description: str
    kind: Literal["sbc", "server"]
    assurance: Assurance
    ak_alg: AkAlg
    channel: Literal["evidence", "push"]  # how its evidence reaches Keylime
    pcrs: tuple[int, ...]
    match: tuple[Match, ...]
    caveat: str | None = None

    def cannot_show(self, level: Assurance) -> list[str]:
        """What no device of this board shows at that level."""
        return [level.does_not_show, *([] if self.caveat is None else [self.caveat])]

    @property
    def uefi_log(self) -> bool:
        """Whether the firmware keeps a TCG event log that the kernel hands out."""
        return self.assurance is Assurance.MEASURED_BOOT


def profile(name: str) -> BoardProfile:
    """The profile of that name; raises HwError, naming those there are."""
    for one in profiles():
        if one.name == name:
            return one
    known = ", ".join(one.name for one in profiles())
    raise HwError(f"no board profile {name!r}; there are: {known}")


@cache
def profiles() -> tuple[BoardProfile, ...]:
    """All profiles, by name: those that come along, then the operator's own.

    Raises:
        HwError: A file is none, or has the name of one that comes along.
    """
    come = {name: read_profile(name, data) for name, data in board_files.shipped()}
    own = {name: read_profile(name, data) for name, data in board_files.own()}
    if both := sorted(come.keys() & own.keys()):
        raise HwError(f"board {both[0]} comes along: name your own another way")
    return (*come.values(), *own.values())


def read_profile(name: str, data: bytes) -> BoardProfile:
    """Read one board's file, as strictly as its schema says.

    Raises:
        HwError: It is not one, or claims what cannot be.
    """
    if len(data) > board_files.MAX_FILE:
        raise HwError(f"board {name} is no profile: too large")
    try:
        found = _read(read_document(data))
    except ValueError as error:
        raise HwError(f"board {name} is no profile: {error}") from error
    except RecursionError as error:
        raise HwError(f"board {name} is no profile: too deep") from error
    if found.name != name:
        raise HwError(f"board {name} calls itself {found.name}")
    _check(found)
    return found


def _read(document: Mapping[str, Any]) -> BoardProfile:
    fields = {key: value for key, value in document.items() if key != "$schema"}
    match = tuple(_match(one) for one in fields.pop("match"))
    pcrs, assurance = tuple(fields.pop("pcrs")), Assurance(fields.pop("assurance"))
    return BoardProfile(**fields, assurance=assurance, pcrs=pcrs, match=match)


def _match(item: Mapping[str, Any]) -> Match:
    return Match(
        tuple(item.get("device_tree", ())),
        tuple(sorted(item.get("dmi", {}).items())),
        item.get("tpm"),
        tuple(item.get("tpm_manufacturer", ())),
        item.get("measured"),
        item.get("event_log"),
    )


def _check(found: BoardProfile) -> None:
    """What the schema cannot say, and what would make a claim that nobody can keep."""
    wrong = {
        "push with an ECC key": (found.channel, found.ak_alg) == ("push", "ecc"),
        "PCRs that change while running": bool(_NEVER_PINNED & set(found.pcrs)),
        "PCRs without a measured boot": bool(found.pcrs) != _measures(found.assurance),
    }
    for what, bad in wrong.items():
        if bad:
            raise HwError(f"board {found.name} is no profile: {what}")


def _measures(assurance: Assurance) -> bool:
    return assurance in (Assurance.MEASURED_BOOT, Assurance.PCRS_ONLY)


def find_profile(facts: MachineFacts) -> BoardProfile:
    """The board that asks for most of what this machine is.

    Raises:
        HwError: None fits; name one, or write its file.
    """
    fitting = [
        (one.weight, board)
        for board in profiles()
        for one in board.match
        if one.holds(facts)
    ]
    if not fitting:
        raise HwError("no board profile fits this machine: name one, or write its file")
    return max(fitting, key=lambda pair: pair[0])[1]


def assurance_of(board: BoardProfile, facts: MachineFacts) -> Assurance:
    """What this very machine can show: its board's level, or less where it falls short.

    A board of which the log is missing, or whose PCRs nothing was measured into, shows
    no more than what is there.
    """
    seen = Assurance.NO_TPM
    if facts.tpm:
        seen = Assurance.UNMEASURED
        if facts.measured:
            seen = Assurance.MEASURED_BOOT if facts.event_log else Assurance.PCRS_ONLY
    order = list(Assurance)
    return max(board.assurance, seen, key=order.index)


def _any_of(wanted: tuple[str, ...], found: tuple[str | None, ...]) -> bool:
    present = [one for one in found if one]
    return not wanted or any(_like(one, name) for one in wanted for name in present)


def _like(wanted: str, found: str | None) -> bool:
    if found is None:
        return False
    if wanted.endswith("*"):
        return found.startswith(wanted[:-1])
    return found == wanted


def _is(wanted: bool | None, found: bool) -> bool:
    return wanted is None or wanted == found
