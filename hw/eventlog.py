"""The log that firmware and boot loader keep of what they measured: read strictly.

Both formats: SHA-1 alone, as TPM 1.2 had it, and crypto-agile with a digest for each
bank. Nothing here says that a log is true: replay it (``hw.eventlog_replay``) and
compare with PCRs that a TPM has quoted.
Source: TCG PC Client Platform Firmware Profile 1.06, section 10.2.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from hw.errors import StructureError
from hw.eventlog_types import MAX_PCR, NO_PCR, EventType, type_name
from hw.log_hashes import MAX_DIGEST, SHA1, bank_name, size_of
from hw.reader import Reader

MAX_LOG = 2 * 1024 * 1024  # bytes; logs of servers have been seen with 200 KiB
MAX_EVENTS = 8192
MAX_BANKS = 8
_SPEC_ID = b"Spec ID Event03\0"
_LOCALITY = b"StartupLocality\0"
_LOCALITIES = (0, 3, 4)


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the log: TCG_PCR_EVENT or TCG_PCR_EVENT2.

    ``data`` is what the log says was measured. Only ``digests`` are in the PCR: whether
    data is what they were taken of, ``hw.eventlog_data.coverage`` says.
    """

    number: int  # place in the log, from 0
    pcr: int
    type: int
    digests: Mapping[int, bytes]  # TPM_ALG_ID: digest
    data: bytes = field(repr=False)

    @property
    def name(self) -> str:
        """The type's name."""
        return type_name(self.type)

    @property
    def extends(self) -> bool:
        """Whether it went into a PCR; an EV_NO_ACTION only says something."""
        return self.type != EventType.EV_NO_ACTION


@dataclass(frozen=True, slots=True)
class EventLog:
    """A whole log; ``algorithms`` are the TPM_ALG_IDs of its banks, as declared."""

    algorithms: tuple[int, ...]
    events: tuple[Event, ...]
    crypto_agile: bool
    locality: int = 0  # from which PCR 0 was started: its value before any event

    @property
    def banks(self) -> tuple[str, ...]:
        """The names of its banks, such as ``sha256``."""
        return tuple(map(bank_name, self.algorithms))

    def of_pcr(self, pcr: int) -> tuple[Event, ...]:
        """The events that went into one PCR, in order."""
        return tuple(one for one in self.events if one.pcr == pcr and one.extends)


def read_event_log(data: bytes) -> EventLog:
    """Read a log as ``binary_bios_measurements`` holds it.

    Raises:
        StructureError: It ends within an event, has more than one, names a PCR or a
            bank that cannot be, or is over a bound.
    """
    reader = Reader(data, "event log", MAX_LOG, "little")
    if not data:
        raise StructureError("the event log is empty")
    first = _sha1_event(reader, 0)
    sizes = _declared(first)
    events = [first]
    while reader.left:
        if len(events) == MAX_EVENTS:
            raise StructureError(f"event log of more than {MAX_EVENTS} events")
        number = len(events)
        event = (
            _sha1_event(reader, number)
            if sizes is None
            else _agile_event(reader, number, sizes)
        )
        events.append(event)
    algorithms = (SHA1,) if sizes is None else tuple(sizes)
    return EventLog(algorithms, tuple(events), sizes is not None, _locality(events))


def _sha1_event(reader: Reader, number: int) -> Event:
    pcr, kind = reader.uint(4), reader.uint(4)
    digests = {SHA1: reader.take(20)}
    return _event(number, pcr, kind, digests, reader.take(reader.uint(4)))


def _agile_event(reader: Reader, number: int, sizes: Mapping[int, int]) -> Event:
    pcr, kind, count = reader.uint(4), reader.uint(4), reader.uint(4)
    if not 0 < count <= len(sizes):
        raise StructureError(
            f"event {number} has {count} digests, the log declares {len(sizes)} banks"
        )
    digests: dict[int, bytes] = {}
    for _ in range(count):
        alg = reader.uint(2)
        if alg not in sizes or alg in digests:
            raise StructureError(
                f"event {number} has a {bank_name(alg)} digest twice, or undeclared"
            )
        digests[alg] = reader.take(sizes[alg])
    return _event(number, pcr, kind, digests, reader.take(reader.uint(4)))


def _event(
    number: int, pcr: int, kind: int, digests: dict[int, bytes], data: bytes
) -> Event:
    silent = kind == EventType.EV_NO_ACTION
    if pcr > MAX_PCR and not (silent and pcr == NO_PCR):
        raise StructureError(f"event {number} is for PCR {pcr}, which no TPM has")
    return Event(number, pcr, kind, MappingProxyType(digests), data)


def _declared(first: Event) -> dict[int, int] | None:
    """TPM_ALG_ID and digest size of each bank; None for a log of SHA-1 alone.

    Source: section 10.4.5.1, TCG_EfiSpecIDEvent.
    """
    if first.extends or not first.data.startswith(_SPEC_ID):
        return None
    reader = Reader(first.data, "Spec ID event", 1024, "little")
    reader.take(len(_SPEC_ID) + 4 + 4)  # platform class, version, errata, uintnSize
    count = reader.uint(4)
    if not 0 < count <= MAX_BANKS:
        raise StructureError(f"the event log declares {count} banks")
    sizes: dict[int, int] = {}
    for _ in range(count):
        alg, size = reader.uint(2), reader.uint(2)
        if (
            alg in sizes
            or not 0 < size <= MAX_DIGEST
            or size_of(alg) not in (None, size)
        ):
            raise StructureError(
                f"the event log declares bank {bank_name(alg)} twice, or with digests"
                f" of {size} bytes"
            )
        sizes[alg] = size
    reader.take(reader.uint(1))  # vendor information
    reader.end()
    return sizes


def _locality(events: list[Event]) -> int:
    """The locality that TPM2_Startup came from: it is in PCR 0 before all else.

    Source: section 10.4.5.3. Said once, and before PCR 0 is extended, or a log could be
    made to start from where it likes.
    """
    found: int | None = None
    extended = False
    for event in events:
        if not event.extends and event.data.startswith(_LOCALITY):
            value = event.data[len(_LOCALITY) :]
            if extended or found is not None or len(value) != 1:
                raise StructureError(
                    f"event {event.number} tells the startup locality late, twice or"
                    " wrongly"
                )
            found = value[0]
            if found not in _LOCALITIES:
                raise StructureError(f"no TPM starts from locality {found}")
        extended = extended or (event.extends and event.pcr == 0)
    return found or 0
