"""The file of runs that processes share: none that dies takes the others along."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from onboarding.store.file_runs import FileRuns
from onboarding.store.runs_file import RunsFile

FOREVER = 10**10
STEPS = 6
_BUSY = """
import itertools, os, sys
from pathlib import Path
from onboarding.store.file_runs import FileRuns
from onboarding.store.runs_file import RunsFile
runs = FileRuns(RunsFile(Path(sys.argv[1])))
for number in itertools.count():
    name = os.urandom(16)
    runs.begin(name, 0, os.urandom(900), 10**10)
    for step in range(6):
        runs.advance(name, step, step + 1, os.urandom(900), 1)
    if number == 10:
        print("busy", flush=True)
"""


def a_run_goes_its_way(runs: FileRuns, name: bytes) -> None:
    assert runs.begin(name, 0, b"state", FOREVER)
    for step in range(STEPS):
        assert runs.advance(name, step, step + 1, b"state %d" % step, 1)
    assert runs.load(name, 1) == (STEPS, b"state 5")
    assert runs.finish(name, STEPS)


@pytest.mark.parametrize("milliseconds", [0, 3, 11])
def test_a_process_killed_while_it_writes_holds_nobody_up(
    tmp_path: Path, milliseconds: int
) -> None:
    path = tmp_path / "runs.mdb"
    file = RunsFile(path)
    runs = FileRuns(file)
    for number in range(2):
        command = [sys.executable, "-c", _BUSY, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as busy:  # noqa: S603 - ours
            assert busy.stdout is not None
            assert busy.stdout.readline() == "busy\n"
            a_run_goes_its_way(runs, b"beside %d" % number)
            time.sleep(milliseconds / 1000)
            busy.kill()
        a_run_goes_its_way(runs, b"after %d" % number)
    assert runs.live(1) > 0  # what the killed ones had begun
    file.close()
