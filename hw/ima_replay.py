"""Replay an IMA list, in parts, and hold it against the PCR that a TPM has quoted.

A list is read after the quote, so it may be longer: the entries that the quote covers
are found, and the next part goes on behind them.
Source: Linux, security/integrity/ima/ima_queue.c, ima_add_template_entry.
"""

import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from hw.errors import EvidenceError
from hw.ima import IMA_PCR, Measurement
from hw.log_hashes import SHA1, bank_name, digest, size_of_bank

Extends = Literal["hashed", "padded"]
"""What the kernel extends a bank other than SHA-1 with: the template data hashed for
that bank, or (before Linux 5.8) the SHA-1 hash with zeros behind it. The latter is no
stronger than SHA-1, whatever the bank."""


@dataclass(frozen=True, slots=True)
class ImaState:
    """How far a list has been replayed: enough to go on with its next part.

    ``value`` is what ``pcr`` holds then. As long as no quote has shown how the kernel
    extends (``extends`` is None), it is that of a kernel which hashes for each bank,
    and ``padded`` that of an older one.
    """

    bank: str
    count: int  # entries of the list that are in ``value``
    value: bytes
    extends: Extends | None = None
    padded: bytes = b""
    pcr: int = IMA_PCR

    @classmethod
    def at_boot(cls, bank: str, pcr: int = IMA_PCR) -> "ImaState":
        """Before the first entry; raises StructureError for a bank we cannot replay."""
        zero = bytes(size_of_bank(bank))
        return cls(bank, 0, zero, None, zero, pcr)

    def start(self, way: Extends) -> bytes:
        """What the PCR holds, if the kernel extends in that way."""
        return self.padded if self.extends is None and way == "padded" else self.value


@dataclass(frozen=True, slots=True)
class ImaMatch:
    """The part of a list that a quote covers."""

    state: ImaState
    covered: tuple[Measurement, ...] = field(repr=False)

    @property
    def violations(self) -> tuple[Measurement, ...]:
        """Those of the covered entries that say nothing but that a file changed."""
        return tuple(one for one in self.covered if one.violation)


def match(state: ImaState, entries: Sequence[Measurement], actual: bytes) -> ImaMatch:
    """Find how many of ``entries``, the list from ``state.count`` on, give ``actual``.

    Raises:
        EvidenceError: No number of them does, or they do not follow on ``state``.
    """
    _require_order(state, entries)
    for way in _ways(state):
        found = _covered(state, entries, actual, way)
        if found is not None:
            return _match(state, entries[:found], actual, way)
    raise EvidenceError(
        f"PCR {state.pcr} ({state.bank}) is {actual.hex()}, which the IMA list gives"
        f" after none of its entries {state.count} to {state.count + len(entries)}"
    )


def advance(state: ImaState, entries: Sequence[Measurement]) -> ImaState:
    """Go on behind ``entries``, without a quote to hold them to yet.

    Raises:
        EvidenceError: They do not follow on ``state``.
    """
    _require_order(state, entries)
    count = state.count + len(entries)
    if state.extends is not None:
        return replace(state, count=count, value=replay(state, entries, state.extends))
    value, padded = (replay(state, entries, way) for way in _ways(state))
    return replace(state, count=count, value=value, padded=padded)


def replay(
    state: ImaState, entries: Iterable[Measurement], way: Extends = "hashed"
) -> bytes:
    """The PCR's value after all ``entries``."""
    value = state.start(way)
    for entry in entries:
        value = _after(value, entry, state, way)
    return value


def _require_order(state: ImaState, entries: Sequence[Measurement]) -> None:
    for place, entry in enumerate(entries, state.count):
        if entry.number != place:
            raise EvidenceError(f"IMA entry {entry.number} where {place} should be")


def _ways(state: ImaState) -> tuple[Extends, ...]:
    return ("hashed", "padded") if state.extends is None else (state.extends,)


def _covered(
    state: ImaState, entries: Sequence[Measurement], actual: bytes, way: Extends
) -> int | None:
    value = state.start(way)
    for count in range(len(entries) + 1):
        if hmac.compare_digest(value, actual):
            return count
        if count < len(entries):
            value = _after(value, entries[count], state, way)
    return None


def _after(value: bytes, entry: Measurement, state: ImaState, way: Extends) -> bytes:
    if entry.pcr != state.pcr:
        return value
    return digest(state.bank, value, _measured(entry, state.bank, way))


def _measured(entry: Measurement, bank: str, way: Extends) -> bytes:
    if entry.violation:
        return b"\xff" * size_of_bank(bank)
    if way == "padded":
        hashed = digest(bank_name(SHA1), entry.data)
        return hashed.ljust(size_of_bank(bank), b"\0")
    return digest(bank, entry.data)


def _match(
    state: ImaState, covered: Sequence[Measurement], actual: bytes, way: Extends
) -> ImaMatch:
    # Violations alone look the same either way, and so does an empty part; then both
    # ways still have one value.
    same = state.start("padded") == state.value and not any(
        one.pcr == state.pcr and not one.violation for one in covered
    )
    known = state.extends if same or state.bank == bank_name(SHA1) else way
    count = state.count + len(covered)
    padded = actual if known is None else b""
    return ImaMatch(
        ImaState(state.bank, count, actual, known, padded, state.pcr), tuple(covered)
    )
