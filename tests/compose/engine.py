"""A dockerd of our own: private socket and data root, ended by its pid file."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.compose.run import RunFailed, Skipped, run
from tests.compose.tidy import BRIDGE, Tidy

START_SECONDS = 60.0
STOP_SECONDS = 60.0
POOL = "base=10.201.0.0/16,size=24"


@contextmanager
def engine(data: Path) -> Iterator[dict[str, str]]:
    """Serve docker while inside; yields the environment that finds it.

    Args:
        data: Images are kept there from run to run.

    Raises:
        Skipped: dockerd cannot run on this machine; says why.
    """
    if os.geteuid() != 0:
        raise Skipped("dockerd needs root")
    for program in ("dockerd", "docker", "iptables"):
        if shutil.which(program) is None:
            raise Skipped(f"no {program} on this machine")
    tidy = Tidy()
    # A socket's path must be short, whatever the checkout's is.
    run_directory = Path(tempfile.mkdtemp(prefix="vgdk", dir="/tmp"))
    try:
        _start(run_directory, data)
        yield {**os.environ, "DOCKER_HOST": _socket(run_directory)}
    finally:
        _stop(run_directory)
        tidy.up(run_directory)
        shutil.rmtree(run_directory, ignore_errors=True)


def _socket(directory: Path) -> str:
    return f"unix://{directory}/docker.sock"


def _start(directory: Path, data: Path) -> None:
    data.mkdir(parents=True, exist_ok=True)
    command = [
        *("dockerd", "-H", _socket(directory)),
        *("--data-root", str(data), "--exec-root", str(directory / "exec")),
        *("-p", str(_pid_file(directory)), "--storage-driver", "overlay2"),
        *("--exec-opt", "native.cgroupdriver=cgroupfs", "--oom-score-adjust", "0"),
        *("--bip", f"{BRIDGE}.1/24", "--default-address-pool", POOL),
    ]
    log = directory / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own arguments
            command, stdout=output, stderr=output, start_new_session=True
        )
    environment = {**os.environ, "DOCKER_HOST": _socket(directory)}
    deadline = time.monotonic() + START_SECONDS
    while True:
        with suppress(RunFailed):
            run(["docker", "version"], environment)
            return
        if process.poll() is not None or time.monotonic() > deadline:
            said = log.read_text(errors="replace").splitlines()[-3:]
            raise Skipped("dockerd does not run here: " + " / ".join(said))
        time.sleep(0.2)


def _stop(directory: Path) -> None:
    """End the process that the pid file names, and what it started with it."""
    with suppress(OSError, ValueError):
        number = int(_pid_file(directory).read_text())
        os.kill(number, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while _alive(number) and time.monotonic() < deadline:
            time.sleep(0.1)
        if _alive(number):
            os.kill(number, signal.SIGKILL)


def _pid_file(directory: Path) -> Path:
    return directory / "docker.pid"


def _alive(number: int) -> bool:
    try:
        status = Path(f"/proc/{number}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"
