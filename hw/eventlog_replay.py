"""Replay a log into PCR values, and hold it against those that a TPM has.

A PCR is compared only where the log speaks of it. What the log leaves out is named, for
a log that says nothing of a PCR proves nothing about it.
"""

import hmac
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from hw.errors import EvidenceError, StructureError
from hw.eventlog import Event, EventLog
from hw.eventlog_data import describe
from hw.log_hashes import alg_of_bank, bank_name, digest, size_of_bank

_SHOWN = 12  # events named in one sentence
_DYNAMIC = range(17, 23)  # all bits set until a dynamic launch


def replay(log: EventLog, bank: str) -> dict[int, bytes]:
    """The value that the log gives each PCR it speaks of, ascending by number.

    Raises:
        StructureError: The log was not written for this bank, or an event has no digest
            for it.
    """
    values: dict[int, bytes] = {}
    for event in log.events:
        if event.extends:
            values[event.pcr] = _extended(log, event, values, bank)
    return dict(sorted(values.items()))


def _extended(
    log: EventLog, event: Event, values: Mapping[int, bytes], bank: str
) -> bytes:
    before = values.get(event.pcr, _start(log, event.pcr, bank))
    return digest(bank, before, _digest(event, bank))


def _start(log: EventLog, pcr: int, bank: str) -> bytes:
    """A PCR before the first event; the startup locality is in number 0."""
    return bytes(size_of_bank(bank) - 1) + bytes([log.locality if pcr == 0 else 0])


def _digest(event: Event, bank: str) -> bytes:
    found = event.digests.get(alg_of_bank(bank))
    if found is None:
        has = ", ".join(map(bank_name, event.digests))
        raise StructureError(
            f"event {event.number} ({event.name}) has no {bank} digest, only {has}"
        )
    return found


@dataclass(frozen=True, slots=True)
class PcrDifference:
    """A PCR whose value is not what the log gives; ``str`` says it to an operator."""

    pcr: int
    bank: str
    actual: bytes
    replayed: bytes
    events: tuple[Event, ...] = field(repr=False)  # all that the log has for this PCR
    reached_after: int | None  # of these, how many do give the actual value

    def __str__(self) -> str:
        return (
            f"PCR {self.pcr} ({self.bank}) is {self.actual.hex()}, the log gives"
            f" {self.replayed.hex()}; {self._where()}: {self._events()}"
        )

    def _where(self) -> str:
        count = len(self.events)
        if self.reached_after is None:
            return f"none of its {count} events can be trusted"
        return (
            f"the TPM has seen {self.reached_after} of its {count} events, those after"
            " are not in it"
        )

    def _events(self) -> str:
        shown = [describe(one) for one in self.events[-_SHOWN:]]
        left_out = len(self.events) - len(shown)
        return "; ".join([f"{left_out} earlier ones"] * bool(left_out) + shown)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What of a log agrees with a TPM's PCRs; each list ascending by number."""

    bank: str
    matched: tuple[int, ...]
    differing: tuple[PcrDifference, ...]
    unlogged: tuple[int, ...]  # extended, but the log does not say by what
    not_given: tuple[int, ...]  # the log speaks of them, but no value was given

    @property
    def first(self) -> PcrDifference | None:
        """The lowest PCR that differs."""
        return self.differing[0] if self.differing else None

    def require(self) -> None:
        """Raise EvidenceError unless something was compared and all of it agrees."""
        if self.first is not None:
            raise EvidenceError(f"the event log does not replay: {self.first}")
        if not self.matched:
            raise EvidenceError("the event log speaks of none of the PCRs given")


def compare(log: EventLog, bank: str, pcrs: Mapping[int, bytes]) -> Comparison:
    """Hold the log against PCR values of one bank.

    A PCR as it is after a reset that the log does not speak of is in none of the lists.

    Raises:
        StructureError: As ``replay``, or a value is not one of this bank.
    """
    size = size_of_bank(bank)
    for pcr, value in pcrs.items():
        if len(value) != size:
            raise StructureError(f"PCR {pcr} has {len(value)} bytes, not {size}")
    replayed = replay(log, bank)
    logged = sorted(pcrs.keys() & replayed.keys())
    differing = tuple(
        _difference(log, bank, pcr, pcrs[pcr], replayed[pcr])
        for pcr in logged
        if not hmac.compare_digest(pcrs[pcr], replayed[pcr])
    )
    wrong = {one.pcr for one in differing}
    silent = sorted(pcrs.keys() - replayed.keys())
    return Comparison(
        bank,
        tuple(pcr for pcr in logged if pcr not in wrong),
        differing,
        tuple(pcr for pcr in silent if not _as_after_reset(pcr, pcrs[pcr])),
        tuple(sorted(replayed.keys() - pcrs.keys())),
    )


def _as_after_reset(pcr: int, value: bytes) -> bool:
    return not any(value) or (pcr in _DYNAMIC and value == b"\xff" * len(value))


def _difference(
    log: EventLog, bank: str, pcr: int, actual: bytes, replayed: bytes
) -> PcrDifference:
    reached = next(
        (
            n
            for n, value in _steps(log, bank, pcr)
            if hmac.compare_digest(value, actual)
        ),
        None,
    )
    return PcrDifference(pcr, bank, actual, replayed, log.of_pcr(pcr), reached)


def _steps(log: EventLog, bank: str, pcr: int) -> Iterator[tuple[int, bytes]]:
    """The PCR before any event, after one, after two, and so on."""
    value = _start(log, pcr, bank)
    yield 0, value
    for number, event in enumerate(log.of_pcr(pcr), 1):
        value = digest(bank, value, _digest(event, bank))
        yield number, value
