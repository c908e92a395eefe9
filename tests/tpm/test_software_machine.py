"""A command beside a software TPM, as a container without a chip runs it."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hw.boot import golden_pcrs
from hw.profiles import profile
from tests.support.swtpm import require_swtpm

BOARD = "generic-sbc-tpm"
ROOT = Path(__file__).parents[2]
TELL = """
import os
from hw.tpm import Tpm
with Tpm(os.environ["TPM2TOOLS_TCTI"]) as tpm:
    print(tpm.endorsement_key().public.hex())
    print(*(f"{{n}}={{v}}" for n, v in tpm.read_pcrs("sha256", {pcrs}).items()))
raise SystemExit(7)
"""
STAND_STILL = """
import os, time
print(os.environ["TPM2TOOLS_TCTI"], os.getpid(), flush=True)
time.sleep(600)
"""


@pytest.fixture(autouse=True, scope="module")
def _with_swtpm() -> None:
    require_swtpm()


def command(directory: Path, *words: str) -> list[str]:
    machine = [sys.executable, "-m", "hw.software_machine", "--directory"]
    return [*machine, str(directory), "--board", BOARD, *words]


def test_the_same_tpm_comes_up_each_time_with_a_good_boot(tmp_path: Path) -> None:
    golden = golden_pcrs(profile(BOARD))
    asked = command(tmp_path, sys.executable, "-c", TELL.format(pcrs=list(golden)))
    first, second = (
        subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603
        for _ in range(2)
    )
    assert (first.returncode, second.returncode) == (7, 7), first.stderr
    assert first.stdout == second.stdout
    assert first.stdout.split()[1:] == [f"{n}={v}" for n, v in golden.items()]


def test_sigterm_ends_the_command_and_the_tpm(tmp_path: Path) -> None:
    asked = command(tmp_path, sys.executable, "-c", STAND_STILL)
    with subprocess.Popen(  # noqa: S603 - our own program
        asked, cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as machine:
        assert machine.stdout is not None
        _tcti, pid = machine.stdout.readline().split()
        (pid_file,) = tmp_path.glob("tpm/*.pid")
        chip = Path("/proc", pid_file.read_text().strip())
        assert chip.exists()
        machine.send_signal(signal.SIGTERM)
    assert machine.returncode == 128 + signal.SIGTERM
    assert not chip.exists()
    assert not Path("/proc", pid).exists()


def test_an_unknown_board_is_named(tmp_path: Path) -> None:
    asked = command(tmp_path, "true")
    asked[asked.index(BOARD)] = "no-such-board"
    done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 2
    assert "no-such-board" in done.stderr
