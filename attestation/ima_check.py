"""Hold an IMA list against the quote; which files may be in it, Keylime says.

A list comes in parts: what was held against earlier quotes is an `ImaState`, and only
the lines behind it are read.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from attestation.appraisal import AppraisalFailure
from hw.errors import EvidenceError, HwError, StructureError
from hw.ima import IMA_PCR, read_ascii
from hw.ima_replay import ImaState, advance, match
from hw.log_text import printable

_SHOWN = 160  # characters of a line that is named


@dataclass(frozen=True, slots=True)
class ImaCheck:
    """The lines that the quote covers, or why there are none.

    ``state`` is behind them; ``covered`` are those of the lines that were given.
    """

    failures: tuple[AppraisalFailure, ...]
    state: ImaState | None = None
    covered: bytes = field(default=b"", repr=False)

    @property
    def entries(self) -> int:
        """Entries of the whole list that the quote covers."""
        return 0 if self.state is None else self.state.count


def check_ima(state: ImaState, lines: bytes, quoted: Mapping[int, str]) -> ImaCheck:
    """Cut lines that follow on ``state``, read after the quote, to what it covers.

    Total: lines that cannot be read, or never give what was quoted, are a failure.
    """
    if not state.count and not lines:
        return _failed("ima.no-list", "the policy needs the IMA list, none was sent")
    try:
        entries = read_ascii(lines, state.count)
        _require_text(lines, state.count)
        found = match(state, entries, bytes.fromhex(quoted.get(IMA_PCR, "")))
    except HwError as error:
        return _failed("ima.not-replayed", f"the IMA list is not true: {error}")
    if not found.state.count:
        return _failed("ima.nothing", "the kernel has measured nothing into PCR 10")
    return ImaCheck((), found.state, _lines(lines, len(found.covered)))


def follow(state: ImaState, lines: bytes) -> ImaState:
    """Go on behind lines that came ahead of a quote.

    Raises:
        StructureError, EvidenceError: They are not lines of a list, or not true ones.
    """
    if not lines:
        raise StructureError("there are no lines in it")
    _require_text(lines, state.count)
    return advance(state, read_ascii(lines, state.count))


def first_difference(before: bytes, now: bytes) -> str:
    """A sentence on the first line of an older list that a newer one has not.

    An older list must be the beginning of a newer one: the kernel only adds to it.
    """
    old, new = before.split(b"\n")[:-1], now.split(b"\n")[:-1]
    for number, line in enumerate(old):
        if number == len(new):
            return f"entry {number} is gone that was quoted before: {_show(line)}"
        if new[number] != line:
            return (
                f"entry {number} was {_show(line)} when it was quoted before, and is"
                f" now {_show(new[number])}"
            )
    return f"its first {len(old)} entries are those that were quoted before"


def _require_text(lines: bytes, first: int) -> None:
    """Keylime is asked in JSON, which has no bytes."""
    try:
        lines.decode()
    except UnicodeDecodeError as error:
        number = first + lines.count(b"\n", 0, error.start)
        raise EvidenceError(
            f"IMA entry {number} names a file not in UTF-8, which Keylime cannot be"
            " asked about"
        ) from error


def _lines(lines: bytes, count: int) -> bytes:
    return b"".join(line + b"\n" for line in lines.split(b"\n", count)[:count])


def _show(line: bytes) -> str:
    return printable(line.decode("utf-8", "replace"), _SHOWN)


def _failed(kind: str, message: str) -> ImaCheck:
    return ImaCheck((AppraisalFailure(kind, message),))
