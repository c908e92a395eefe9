"""``vouchgate device log``: what a machine's logs say, and whether its TPM agrees."""

import json as json_module
from pathlib import Path
from typing import Annotated

import typer

from hw.errors import EvidenceError, LogUnavailableError, StructureError
from hw.eventlog import Event, EventLog, read_event_log
from hw.eventlog_data import Coverage, coverage, data_text
from hw.eventlog_replay import Comparison, compare
from hw.ima import IMA_PCR, Measurement, read_ascii
from hw.ima_replay import ImaMatch, ImaState, match
from hw.kernel_logs import KernelLogs
from hw.sysfiles import DEFAULT_TCTI
from onboarding.cli.output import FAILED, Json, console, print_json, unusable

MAX_PCR_FILE = 64 * 1024
PCRS = range(24)
_COVERED = {
    Coverage.ALL: "as measured",
    Coverage.CONTENT: "content as measured",
    Coverage.NONE: "only a description",
}


def log(
    uefi: Annotated[
        Path | None, typer.Option(help="The event log, if not the kernel's.")
    ] = None,
    ima: Annotated[
        Path | None, typer.Option(help="The IMA list (text), if not the kernel's.")
    ] = None,
    bank: Annotated[str, typer.Option(help="PCR bank.")] = "sha256",
    tcti: Annotated[
        str, typer.Option(help="The TPM to hold the logs against.")
    ] = DEFAULT_TCTI,
    pcrs: Annotated[
        Path | None,
        typer.Option(help='PCR values instead of a TPM\'s: JSON, {"0": "…", …}.'),
    ] = None,
    json: Json = False,
) -> int:
    """Print the boot's event log; 1 unless the TPM's PCRs are what the logs give.

    Of each event: number, PCR, type, what it says, and how much of that was measured.
    """
    logs = KernelLogs(uefi=uefi, ima=ima)
    event_log = _read(logs)
    actual = _from_file(pcrs) if pcrs else _from_tpm(tcti, bank)
    found = compare(event_log, bank, actual)
    ima_said, ima_ok = _ima_said(logs, bank, actual, from_tpm=pcrs is None)
    good = not found.differing and bool(found.matched) and ima_ok
    if json:
        print_json(_document(event_log, found, ima_said, good))
    else:
        _tell(event_log, found, ima_said)
    return 0 if good else FAILED


def _read(logs: KernelLogs) -> EventLog:
    try:
        return read_event_log(logs.event_log())
    except LogUnavailableError as error:
        raise unusable(
            str(error),
            "Run this as root on a machine whose firmware keeps a log, or give one with"
            " --uefi.",
        ) from error
    except StructureError as error:
        raise unusable(
            f"not an event log: {error}", "Give another with --uefi."
        ) from error


def _from_tpm(tcti: str, bank: str) -> dict[int, bytes]:
    from hw.tpm import Tpm

    with Tpm(tcti) as tpm:
        values = tpm.read_pcrs(bank, PCRS)
    return {pcr: bytes.fromhex(value) for pcr, value in values.items()}


def _from_file(path: Path) -> dict[int, bytes]:
    try:
        with path.open("rb") as file:
            document = json_module.loads(file.read(MAX_PCR_FILE))
        values = {int(pcr): bytes.fromhex(value) for pcr, value in document.items()}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise unusable(
            f"{path} holds no PCR values: {error}",
            'It should be JSON such as {"0": "3e69…", "7": "7567…"}.',
        ) from error
    if not values.keys() <= set(PCRS):
        raise unusable(f"{path} names a PCR that is not 0 to 23", "See --pcrs.")
    return values


def _ima_said(
    logs: KernelLogs, bank: str, actual: dict[int, bytes], *, from_tpm: bool
) -> tuple[str, bool]:
    """A sentence on the IMA list, and whether nothing speaks against it.

    This machine's own list says nothing about PCRs that were given in a file.
    """
    given = logs.ima is not None
    if IMA_PCR not in actual or not (given or from_tpm):
        return "the IMA list is not compared", not given
    try:
        found = match(ImaState.at_boot(bank), _entries(logs), actual[IMA_PCR])
    except LogUnavailableError as error:
        return str(error), not given
    except EvidenceError as error:
        return str(error), False
    return _ima_agrees(found), True


def _ima_agrees(found: ImaMatch) -> str:
    said = f"PCR {IMA_PCR} is what {found.state.count} entries of the IMA list give"
    if found.state.extends == "padded":
        said += ", with SHA-1 alone: the kernel is older than 5.8"
    count = len(found.violations)
    return said + (f"; violations among them: {count}" if count else "")


def _entries(logs: KernelLogs) -> tuple[Measurement, ...]:
    part = next(logs.ima_parts())
    if part.more:
        raise LogUnavailableError("the IMA list is too long to be read at once")
    return read_ascii(part.lines)


def _tell(event_log: EventLog, found: Comparison, ima_said: str) -> None:
    out = console()
    for event in event_log.events:
        pcr = str(event.pcr) if event.extends else "-"
        measured = _measured(event, found.bank)
        line = f"{event.number:4} PCR {pcr:>2} {event.name} {data_text(event)}"
        out.print(f"{line} [{measured}]", markup=False, highlight=False, soft_wrap=True)
    for sentence in (*_sentences(found), ima_said):
        out.print(sentence, markup=False, highlight=False, soft_wrap=True)


def _measured(event: Event, bank: str) -> str:
    if not event.extends:
        return "not measured"
    return _COVERED[coverage(event, bank)]


def _sentences(found: Comparison) -> list[str]:
    said = [str(one) for one in found.differing]
    if found.matched:
        said.append(f"as the log gives them: PCR {_list(found.matched)}")
    else:
        said.append("the log agrees with none of the PCRs")
    if found.unlogged:
        said.append(
            f"extended by what the log does not say: PCR {_list(found.unlogged)}"
        )
    if found.not_given:
        said.append(f"in the log, but not compared: PCR {_list(found.not_given)}")
    return said


def _list(pcrs: tuple[int, ...]) -> str:
    return ", ".join(map(str, pcrs))


def _document(
    event_log: EventLog, found: Comparison, ima_said: str, good: bool
) -> dict[str, object]:
    return {
        "good": good,
        "bank": found.bank,
        "banks": list(event_log.banks),
        "matched": list(found.matched),
        "differing": [
            {"pcr": one.pcr, "why": str(one), "reached_after": one.reached_after}
            for one in found.differing
        ],
        "unlogged": list(found.unlogged),
        "not_given": list(found.not_given),
        "ima": ima_said,
        "events": [_event(one, found.bank) for one in event_log.events],
    }


def _event(event: Event, bank: str) -> dict[str, object]:
    return {
        "number": event.number,
        "pcr": event.pcr if event.extends else None,
        "type": event.name,
        "says": data_text(event),
        "measured": coverage(event, bank).value if event.extends else None,
    }
