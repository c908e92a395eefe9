"""``vouchgate device inventory``: what a machine is, and what it can show of itself."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from hw.errors import HwError
from hw.inventory import TpmMaker
from hw.inventory_reader import take_inventory
from hw.machine_facts import MachineFacts, read_facts
from hw.profiles import BoardProfile, assurance_of, find_profile
from hw.profiles import profile as named_profile
from hw.sysfiles import DEFAULT_TCTI, SysFiles
from onboarding.cli.output import Json, print_facts, print_json

FOUND = "auto"
Board = Annotated[str, typer.Option(help="Board profile; 'auto' finds it.")]


def inventory(
    board: Board = FOUND,
    tcti: Annotated[
        str, typer.Option(help="Where the TPM is; 'none' asks no TPM.")
    ] = DEFAULT_TCTI,
    root: Annotated[
        Path, typer.Option(help="Where a recorded /sys and /proc are.")
    ] = Path("/"),
    json: Json = False,
) -> None:
    """Print board, what such a board can show of its boot, and what is in the machine.

    All of this is the machine's own word. What it says of its boot it must still prove.
    """
    files = SysFiles(root)
    maker = _maker(tcti, files)
    facts = _facts(files, maker, tcti)
    found = find_profile(facts) if board == FOUND else named_profile(board)
    told = _told(found, facts, take_inventory(files, maker).to_item())
    print_json(told) if json else print_facts(told)


def board_of(board: str, tcti: str | None) -> str:
    """The board's name for DI: the one named, or the one found on this machine."""
    if board != FOUND:
        return board
    files, where = SysFiles(), tcti or "none"
    return find_profile(_facts(files, _maker(where, files), where)).name


def _facts(files: SysFiles, maker: TpmMaker | None, tcti: str) -> MachineFacts:
    """The machine's facts, and who made its TPM.

    Into a TPM that is not the kernel's own nobody measured this machine's boot.
    """
    facts = read_facts(files)
    if maker is None:
        return replace(facts, tpm=facts.tpm and tcti != "none")
    if not tcti.startswith("device:"):
        facts = MachineFacts(facts.device_tree, facts.dmi, tpm=True, measured=False)
    return replace(facts, tpm=True, tpm_manufacturer=maker.manufacturer)


def _maker(tcti: str, files: SysFiles) -> TpmMaker | None:
    """Ask the TPM, unless the machine is a recorded one; no TPM is no fault here."""
    if tcti == "none" or files.root != Path("/"):
        return None
    try:
        from hw.tpm import Tpm

        with Tpm(tcti) as tpm:
            return tpm.maker()
    except HwError:
        return None


def _told(
    board: BoardProfile, facts: MachineFacts, machine: dict[str, object]
) -> dict[str, object]:
    level = assurance_of(board, facts)
    return {
        "board": board.name,
        "description": board.description,
        "assurance": level.value,
        "can_show": level.shows,
        "cannot_show": "; ".join(board.cannot_show(level)),
        "board_promises": board.assurance.value,
        "machine": machine,
    }
