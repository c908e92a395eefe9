"""Make a reference out of one machine's boot, whose log must be true to begin with."""

from collections.abc import Mapping, Sequence

from attestation.boot_words import measured_words
from attestation.errors import PolicyError
from attestation.measured_boot import MAX_SAYS, ReferenceBoot, ReferenceEvent
from hw.errors import HwError
from hw.eventlog import Event, EventLog, read_event_log
from hw.eventlog_replay import compare
from hw.log_hashes import alg_of_bank

# Firmware code and drivers, boot loader, kernel and their command lines, Secure Boot.
# Not 1, 5 and 6: boot order, partitions and model differ between equal machines.
USUAL = (0, 2, 3, 4, 7, 8, 9, 14)


def learn_boot(
    name: str,
    bank: str,
    log: bytes,
    quoted: Mapping[int, str],
    pcrs: Sequence[int] = USUAL,
) -> ReferenceBoot:
    """The reference that this very boot passes.

    PCRs of which the log says nothing are left out.

    Raises:
        PolicyError: The log cannot be read, does not give the quoted values, or says
            nothing of any of ``pcrs``.
    """
    values = {pcr: bytes.fromhex(quoted[pcr]) for pcr in pcrs if pcr in quoted}
    try:
        read = read_event_log(log)
        found = compare(read, bank, values)
        found.require()
    except HwError as error:
        raise PolicyError(f"nothing can be learnt from this log: {error}") from error
    return ReferenceBoot(
        name, {pcr: _references(read, pcr, bank) for pcr in found.matched}
    )


def _references(log: EventLog, pcr: int, bank: str) -> tuple[ReferenceEvent, ...]:
    """Each event once, in the order of the log."""
    made = (_reference(one, bank) for one in log.of_pcr(pcr))
    return tuple({one.key: one for one in made}.values())


def _reference(event: Event, bank: str) -> ReferenceEvent:
    digest = event.digests[alg_of_bank(bank)].hex()
    return ReferenceEvent(event.name, digest, measured_words(event, bank)[:MAX_SAYS])
