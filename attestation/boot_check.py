"""Hold the event log of a boot against a quote and against a policy's references.

Keylime's built-in measured-boot policies are not asked: they compare either no content
at all or one fixed set of fields, and need programs beside the verifier. Keylime still
judges the quote: the PCRs that the log gives are pinned for it. Where its verifier is
the only one to see a log, ``nearest_boot`` is what it runs.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from attestation.appraisal import AppraisalFailure
from attestation.boot_words import measured_words
from attestation.measured_boot import MeasuredBoot, ReferenceBoot, ReferenceEvent
from hw.errors import HwError
from hw.eventlog import Event, EventLog, read_event_log
from hw.eventlog_replay import Comparison, compare
from hw.log_hashes import alg_of_bank

_SAID = 3  # differences named in one appraisal


@dataclass(frozen=True, slots=True)
class BootCheck:
    """What came of it: events that were compared, in how many PCRs, what differed."""

    failures: tuple[AppraisalFailure, ...]
    boot: str = ""  # the name of the reference boot that it is
    events: int = 0  # of the PCRs covered, all of them compared


def check_boot(
    policy: MeasuredBoot, bank: str, log: bytes, quoted: Mapping[int, str]
) -> BootCheck:
    """Compare a whole log; ``quoted`` are genuine PCR values in hexadecimal.

    Total: a log that cannot be read, or does not give what was quoted, is a failure.
    """
    if not log:
        return _failed("boot.no-log", "the policy needs the event log, none was sent")
    covered = {pcr: bytes.fromhex(quoted[pcr]) for pcr in policy.pcrs if pcr in quoted}
    if missing := set(policy.pcrs) - covered.keys():
        return _failed("boot.not-quoted", f"PCR {min(missing)} was not quoted")
    try:
        read = read_event_log(log)
        compared = compare(read, bank, covered)
    except HwError as error:
        return _failed("boot.unreadable", f"the event log is not one: {error}")
    return _replayed(compared) or nearest_boot(policy, bank, read)


def _failed(kind: str, message: str) -> BootCheck:
    return BootCheck((AppraisalFailure(kind, message),))


def _replayed(found: Comparison) -> BootCheck | None:
    if found.first is not None:
        return _failed("boot.not-replayed", f"the event log is not true: {found.first}")
    if found.unlogged:
        return _failed(
            "boot.not-logged",
            f"PCR {found.unlogged[0]} was extended, but the event log does not say by"
            " what",
        )
    return None


def nearest_boot(policy: MeasuredBoot, bank: str, log: EventLog) -> BootCheck:
    """The boot that it is; if it is none, what is between it and the nearest.

    The log has to be true, and to have a digest of ``bank`` for each event.
    """
    judged = [(boot, _differences(boot, bank, log)) for boot in policy.boots]
    boot, differences = min(judged, key=lambda one: len(one[1]))
    events = sum(len(log.of_pcr(pcr)) for pcr in policy.pcrs)
    if not differences:
        return BootCheck((), boot.name, events)
    more = len(differences) - _SAID
    said = [*differences[:_SAID], *([_more(more, boot)] if more > 0 else [])]
    return BootCheck(tuple(said), "", events)


def _more(count: int, boot: ReferenceBoot) -> AppraisalFailure:
    return AppraisalFailure("boot.more", f"{count} more differences from {boot.name}")


def _differences(
    boot: ReferenceBoot, bank: str, log: EventLog
) -> list[AppraisalFailure]:
    found: list[AppraisalFailure] = []
    for pcr in sorted(boot.pcrs):
        found += _of_pcr(pcr, boot.pcrs[pcr], bank, log.of_pcr(pcr))
    return found


def _of_pcr(
    pcr: int,
    references: tuple[ReferenceEvent, ...],
    bank: str,
    events: tuple[Event, ...],
) -> list[AppraisalFailure]:
    allowed = {one.key for one in references}
    seen = {_key(one, bank) for one in events}
    absent = [one for one in references if one.key not in seen]
    found: list[AppraisalFailure] = []
    for event in events:
        if _key(event, bank) not in allowed:
            stead = next((one for one in absent if one.type == event.name), None)
            if stead is not None:
                absent.remove(stead)
            found.append(_unknown(pcr, event, bank, stead))
    return found + [_absent(pcr, one) for one in absent]


def _key(event: Event, bank: str) -> tuple[str, str]:
    return event.name, event.digests[alg_of_bank(bank)].hex()


def _unknown(
    pcr: int, event: Event, bank: str, stead: ReferenceEvent | None
) -> AppraisalFailure:
    allowed = "" if stead is None else f"; the policy has {stead.says}"
    return AppraisalFailure(
        "boot.event",
        f"PCR {pcr}, event {event.number}: {measured_words(event, bank)} is not in the"
        f" policy{allowed}",
    )


def _absent(pcr: int, reference: ReferenceEvent) -> AppraisalFailure:
    return AppraisalFailure(
        "boot.absent", f"PCR {pcr}: {reference.says} of the policy was not measured"
    )
