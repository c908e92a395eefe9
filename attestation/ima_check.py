"""Hold an IMA list against the quote; which files may be in it, Keylime says."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from attestation.appraisal import AppraisalFailure
from hw.errors import HwError
from hw.ima import IMA_PCR, read_ascii
from hw.ima_replay import ImaState, match


@dataclass(frozen=True, slots=True)
class ImaCheck:
    """The lines that the quote covers, or why there are none."""

    failures: tuple[AppraisalFailure, ...]
    entries: int = 0
    covered: str = field(default="", repr=False)


def check_ima(bank: str, log: str, quoted: Mapping[int, str]) -> ImaCheck:
    """Cut a list from boot on, read after the quote, to what the quote covers.

    Total: a list that cannot be read, or never gives what was quoted, is a failure.
    """
    if not log:
        return _failed("ima.no-list", "the policy needs the IMA list, none was sent")
    try:
        entries = read_ascii(log.encode("utf-8", "surrogateescape"))
        found = match(
            ImaState.at_boot(bank), entries, bytes.fromhex(quoted.get(IMA_PCR, ""))
        )
    except HwError as error:
        return _failed("ima.not-replayed", f"the IMA list is not true: {error}")
    if not found.covered:
        return _failed("ima.nothing", "the kernel has measured nothing into PCR 10")
    lines = log.split("\n")[: len(found.covered)]
    return ImaCheck((), len(lines), "\n".join(lines) + "\n")


def _failed(kind: str, message: str) -> ImaCheck:
    return ImaCheck((AppraisalFailure(kind, message),))
