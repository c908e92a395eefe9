"""A dockerd of our own: private socket and data root, ended by its pid file."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.compose.run import RunFailed, Skipped, run
from tests.compose.tidy import BRIDGE, NETWORKS, PREFIX, Tidy, alive

START_SECONDS = 60.0
STOP_SECONDS = 60.0
POOL = f"base={NETWORKS}.0.0/16,size=24"
PROGRAMS = (
    *("dockerd", "docker", "iptables", "ip", "setpriv"),
    *("apt-get", "dpkg", "mmdebstrap"),
)
LOG_LINES = 30
# What compose.yaml asks of a machine, for one container that does nothing.
_NETWORK = "vouchgate-trial"
_TRIAL = (
    *("--network", _NETWORK, "--publish", "127.0.0.1::8080", "--user", "10001:10001"),
    *("--init", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL"),  # noqa: S108
    *("--security-opt", "no-new-privileges:true"),
)


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
    for program in PROGRAMS:
        if shutil.which(program) is None:
            raise Skipped(f"no {program} on this machine")
    with _alone():
        tidy = Tidy()
        # A socket's path must be short, whatever the checkout's is.
        run_directory = Path(tempfile.mkdtemp(prefix=PREFIX, dir="/tmp"))
        try:
            _start(run_directory, data)
            yield {**os.environ, "DOCKER_HOST": _socket(run_directory)}
        except RunFailed:
            print("The last of dockerd's log:", file=sys.stderr)
            print("\n".join(_log(run_directory, LOG_LINES)), file=sys.stderr)
            raise
        finally:
            _stop(run_directory)
            tidy.up(run_directory, data)
            shutil.rmtree(run_directory, ignore_errors=True)


def require_containers(docker: dict[str, str], image: str) -> None:
    """Run one that does nothing, as strictly as ours.

    Raises:
        Skipped: No container runs on this machine; says why.
    """
    try:
        run(["docker", "network", "create", _NETWORK], docker, wait=120)
        run(["docker", "run", "--rm", *_TRIAL, image, "true"], docker, wait=120)
        run(["docker", "network", "rm", _NETWORK], docker, wait=120)
    except RunFailed as error:
        raise Skipped(f"docker can run no container here: {error}") from error


@contextmanager
def _alone() -> Iterator[None]:
    """Wait for other runs on this machine: they would share its bridge and ranges."""
    with socket.socket(socket.AF_UNIX) as name:  # gone with this process
        told = False
        while True:
            with suppress(OSError):
                name.bind("\0vouchgate-e2e-compose")
                break
            if not told:
                print("waiting for another run on this machine …", flush=True)
            told = True
            time.sleep(1)
        yield


def _socket(directory: Path) -> str:
    return f"unix://{directory}/docker.sock"


def _start(directory: Path, data: Path) -> None:
    data.mkdir(parents=True, exist_ok=True)
    command = [
        *("setpriv", "--pdeathsig", "TERM"),  # should we be killed
        *("dockerd", "-H", _socket(directory)),
        *("--data-root", str(data), "--exec-root", str(directory / "exec")),
        *("-p", str(_pid_file(directory)), "--storage-driver", "overlay2"),
        *("--exec-opt", "native.cgroupdriver=cgroupfs", "--oom-score-adjust", "0"),
        *("--bip", f"{BRIDGE}.1/24", "--default-address-pool", POOL),
    ]
    with (directory / "log").open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own arguments
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    environment = {**os.environ, "DOCKER_HOST": _socket(directory)}
    deadline = time.monotonic() + START_SECONDS
    while True:
        with suppress(RunFailed):
            run(["docker", "version"], environment, wait=START_SECONDS)
            return
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()  # it may not have come as far as its pid file
            process.wait()
            said = " / ".join(_log(directory, 3))
            raise Skipped(f"dockerd does not run here: {said}")
        time.sleep(0.2)


def _log(directory: Path, lines: int) -> list[str]:
    with suppress(OSError):
        return (directory / "log").read_text(errors="replace").splitlines()[-lines:]
    return []


def _stop(directory: Path) -> None:
    """End the process that the pid file names, and what it started with it."""
    with suppress(OSError, ValueError):
        number = int(_pid_file(directory).read_text())
        os.kill(number, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while alive(number) and time.monotonic() < deadline:
            time.sleep(0.1)
        if alive(number):
            os.kill(number, signal.SIGKILL)


def _pid_file(directory: Path) -> Path:
    return directory / "docker.pid"
