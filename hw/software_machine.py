"""A machine with a software TPM for one command: what a container without a chip has.

``python -m hw.software_machine --directory DIR --board BOARD COMMAND...`` powers the
TPM in DIR on, made when it is not there, measures a good boot of the board into it,
runs the command, and powers the TPM off when the command ends or SIGTERM comes. The
command finds the TPM where TPM2TOOLS_TCTI says: at loopback port PORT, else any.
DIR/ek-ca has its EK authority.
"""

import argparse
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import FrameType

from hw.boot import measure_boot
from hw.errors import HwError
from hw.profiles import BoardProfile, profile
from hw.swtpm import SoftwareTpm
from hw.tpm import Tpm

GRACE = 8.0  # seconds; docker kills after ten
_STOPPED = 128 + signal.SIGTERM


def main(arguments: list[str]) -> int:
    """Return the command's exit status, or 2 if there is no machine to run it on."""
    parser = _parser()
    asked = parser.parse_args(arguments)
    if not asked.command:
        parser.error("say what to run")
    signal.signal(signal.SIGTERM, _stop)
    machine = SoftwareTpm(asked.directory, "tpm")
    try:
        board = profile(asked.board)
        tcti = _power_on(machine, asked.directory / "ek-ca", board, asked.port)
        return _run(asked.command, tcti)
    except (HwError, OSError) as error:
        parser.exit(2, f"{parser.prog}: {error}\n")
    finally:
        machine.stop()


def _power_on(
    machine: SoftwareTpm, ek_ca: Path, board: BoardProfile, port: int | None
) -> str:
    """Return the TCTI of a TPM that has measured a good boot."""
    if not machine.manufactured:
        machine.manufacture(ek_ca)
    tcti = machine.start(port)
    with Tpm(tcti) as tpm:
        measure_boot(tpm, board)
    return tcti


def _run(command: list[str], tcti: str) -> int:
    """Run it in a process group of its own, which ends with us."""
    environment = {**os.environ, "TPM2TOOLS_TCTI": tcti}
    with subprocess.Popen(  # noqa: S603 - what we were told to run
        command, env=environment, start_new_session=True
    ) as process:
        try:
            return process.wait()
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(_STOPPED)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m hw.software_machine",
        description="Run a command beside a software TPM.",
    )
    parser.add_argument("--directory", type=Path, required=True, help="of the TPM")
    parser.add_argument("--board", required=True, help="board profile")
    parser.add_argument("--port", type=int, help="of the TPM")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
