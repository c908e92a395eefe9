"""A device's quotes in time: its TPM's counters and clock only go forward.

Keylime's stateless call keeps no history, so a device set back to an old image, or a
saved TPM state put back, would pass it. The nonce's single use is the caller's.
Source: TPM 2.0 Library, part 1, section 36; part 2, section 10.11.
"""

from dataclasses import dataclass
from enum import StrEnum, unique

from attestation.errors import Refused

# A clock is kept in NV at most this often, and resumes from there after a power loss.
_CLOCK_SLACK = 1 << 22  # ms, some 70 minutes
_NOT_BACK = "inspect the device: its TPM was set back; to accept it, onboard it again"


@unique
class QuoteCode(StrEnum):
    """What went backwards."""

    FIRMWARE = "tpm-firmware-went-back"
    RESETS = "tpm-resets-went-back"
    RESTARTS = "tpm-restarts-went-back"
    CLOCK = "tpm-clock-went-back"


class QuoteRefused(Refused):
    """A genuine quote that cannot follow the last one of the same key."""

    code: QuoteCode


@dataclass(frozen=True, slots=True)
class Counters:
    """What a quote says of time: ``clock`` in ms, ``firmware`` the TPM's version."""

    clock: int
    reset_count: int
    restart_count: int
    firmware: int


@dataclass(frozen=True, slots=True)
class Advance:
    """What happened since the last quote."""

    first: bool  # there was none
    rebooted: bool  # the TPM was reset
    resumed: bool  # it was restarted, keeping its PCRs


def check_advance(previous: Counters | None, current: Counters) -> Advance:
    """Say how ``current`` follows ``previous``, both quoted by the same AK.

    Counters and firmware are compared modulo their width: for a key outside the
    endorsement hierarchy the TPM adds a constant of that key to them.

    Raises:
        QuoteRefused: Firmware, counters or clock went back.
    """
    if previous is None:
        return Advance(first=True, rebooted=False, resumed=False)
    if not _forward(previous.firmware, current.firmware, 64):
        raise QuoteRefused(
            QuoteCode.FIRMWARE, "the TPM's firmware is older than before", _NOT_BACK
        )
    if not _forward(previous.reset_count, current.reset_count, 32):
        raise QuoteRefused(
            QuoteCode.RESETS, "the TPM counts fewer resets than before", _NOT_BACK
        )
    if previous.reset_count != current.reset_count:
        _check_clock(previous, current, _CLOCK_SLACK)
        return Advance(first=False, rebooted=True, resumed=False)
    _check_restarts(previous, current)
    _check_clock(previous, current, 0)
    resumed = previous.restart_count != current.restart_count
    return Advance(first=False, rebooted=False, resumed=resumed)


def _check_restarts(previous: Counters, current: Counters) -> None:
    if not _forward(previous.restart_count, current.restart_count, 32):
        raise QuoteRefused(
            QuoteCode.RESTARTS, "the TPM counts fewer restarts than before", _NOT_BACK
        )


def _check_clock(previous: Counters, current: Counters, slack: int) -> None:
    if current.clock < previous.clock - slack:
        raise QuoteRefused(
            QuoteCode.CLOCK,
            f"the TPM's clock went back {previous.clock - current.clock} ms",
            _NOT_BACK,
        )


def _forward(before: int, after: int, bits: int) -> bool:
    return (after - before) % (1 << bits) < 1 << (bits - 1)
