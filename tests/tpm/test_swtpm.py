"""Making, running and ending software TPMs."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hw.errors import SoftwareTpmError
from hw.swtpm import SoftwareTpm, ek_ca_certificates
from tests.support.swtpm import MakeSoftwareTpm

START_AND_WAIT = """
import sys, time
from pathlib import Path
from hw.swtpm import SoftwareTpm
SoftwareTpm(Path(sys.argv[1]), "orphan").start()
print("started", flush=True)
time.sleep(60)
"""


def pid_of(software: SoftwareTpm) -> int:
    (file,) = software.state.glob("*.pid")
    return int(file.read_text())


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie that nobody has reaped does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def test_stop_is_idempotent_and_leaves_no_process(
    make_software_tpm: MakeSoftwareTpm,
) -> None:
    software = make_software_tpm("stopped")
    software.stop()
    software.start()
    pid = pid_of(software)
    assert alive(pid)
    software.stop()
    software.stop()
    assert not alive(pid)


def test_stop_ends_a_tpm_that_a_client_still_holds(
    make_software_tpm: MakeSoftwareTpm,
) -> None:
    from hw.tpm import Tpm

    software = make_software_tpm("held")
    tpm = Tpm(software.start())
    pid = pid_of(software)
    software.stop()
    assert not alive(pid)
    tpm.close()


def test_a_tpm_dies_with_its_parent_even_when_that_is_killed(
    make_software_tpm: MakeSoftwareTpm,
) -> None:
    software = make_software_tpm("orphan")
    parent = subprocess.Popen(  # noqa: S603 - the script above, no shell
        [sys.executable, "-c", START_AND_WAIT, str(software.state.parent)],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    with parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"started\n"
        pid = pid_of(software)
        assert alive(pid)
        os.kill(parent.pid, signal.SIGKILL)
    deadline = time.monotonic() + 120
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not alive(pid)


def test_a_tpm_outlives_the_thread_that_started_it(
    make_software_tpm: MakeSoftwareTpm,
) -> None:
    from hw.tpm import Tpm

    software = make_software_tpm("threaded")
    tcti: list[str] = []
    thread = threading.Thread(target=lambda: tcti.append(software.start()))
    thread.start()
    thread.join()
    with Tpm(tcti[0]) as tpm:
        assert len(tpm.random(8)) == 8


def test_tpms_made_and_started_at_once_share_one_ca(tmp_path: Path) -> None:
    from hw.tpm import Tpm

    tpms = [SoftwareTpm(tmp_path / "tpms", f"tpm-{number}") for number in range(4)]

    def run(software: SoftwareTpm) -> bytes:
        software.manufacture(tmp_path / "ca")
        with Tpm(software.start()) as tpm:
            return tpm.endorsement_key().public

    try:
        with ThreadPoolExecutor(4) as pool:
            publics = set(pool.map(run, tpms))
    finally:
        for software in tpms:
            software.stop()
    assert len(publics) == 4
    assert len(ek_ca_certificates(tmp_path / "ca")) == 2


def test_an_existing_tpm_is_not_made_again(
    make_software_tpm: MakeSoftwareTpm, ek_ca: Path
) -> None:
    software = make_software_tpm("kept")
    before = {path: path.read_bytes() for path in software.state.glob("tpm2-*")}
    with pytest.raises(SoftwareTpmError, match="exists already"):
        software.manufacture(ek_ca)
    after = {path: path.read_bytes() for path in software.state.glob("tpm2-*")}
    assert before == after


def test_a_tpm_is_started_once_and_not_before_it_is_made(
    make_software_tpm: MakeSoftwareTpm, tmp_path: Path
) -> None:
    with pytest.raises(SoftwareTpmError, match="never manufactured"):
        SoftwareTpm(tmp_path, "absent").start()
    software = make_software_tpm("twice")
    software.start()
    with pytest.raises(SoftwareTpmError, match="runs already"):
        software.start()


def test_a_tpm_with_damaged_state_does_not_start_and_leaves_nothing(
    make_software_tpm: MakeSoftwareTpm,
) -> None:
    software = make_software_tpm("damaged")
    (software.state / "tpm2-00.permall").write_bytes(b"damaged")
    with pytest.raises(SoftwareTpmError, match="does not start"):
        software.start()
    assert not list(software.state.glob("*.pid"))


def test_a_missing_program_is_named(
    make_software_tpm: MakeSoftwareTpm, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    software = make_software_tpm("unmade")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SoftwareTpmError, match="not installed: swtpm, swtpm_setup"):
        software.start()


def test_no_ca_yet_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SoftwareTpmError, match="no EK CA"):
        ek_ca_certificates(tmp_path)
