"""A systemd in namespaces of its own: processes, mounts, network, control groups."""

import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SOURCE = Path(__file__).parents[2]
SYSTEMD = Path("/lib/systemd/systemd")
UNSHARED = ("--mount", "--pid", "--uts", "--ipc", "--net", "--cgroup", "--fork")
PATIENCE = 60.0  # seconds


class Machine:
    """What runs under one process 1."""

    def __init__(self, first: int) -> None:
        namespaces = ("-m", "-p", "-n", "-r", "-w", "--")
        clean = ("env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin")
        self._enter = ("nsenter", "-t", str(first), *namespaces, *clean)

    def run(self, *command: str, typed: str = "", check: bool = True) -> str:
        """Run a command in it; return what it prints."""
        done = subprocess.run(  # noqa: S603
            [*self._enter, *command],
            input=typed,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
            umask=0o022,
        )
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
        return done.stdout.strip()

    def write(self, path: str, text: str, mode: str = "600") -> None:
        self.run("install", "-D", "-m", mode, "/dev/stdin", path, typed=text)

    def shown(self, unit: str, name: str) -> str:
        """One property of a unit."""
        return self.run("systemctl", "show", "--value", "-p", name, unit)


def missing() -> str | None:
    """Why no systemd can be run here; None if one can."""
    if Path("/proc/self/uid_map").read_text().split()[:2] != ["0", "0"]:
        return "not root of this machine"
    if Path(sys.base_prefix).is_relative_to("/root"):
        return f"the services' users cannot reach the interpreter, {sys.base_prefix}"
    for program in ("unshare", "nsenter", "systemctl"):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    return None if SYSTEMD.exists() else "systemd is not installed"


@contextmanager
def booted() -> Iterator[Machine]:
    """Boot one; all that it did is gone afterwards."""
    base = tempfile.mkdtemp(prefix="vouchgate-systemd-")
    packages = sysconfig.get_path("purelib")
    boot = ("sh", str(Path(__file__).with_name("boot.sh")), base, SOURCE, packages)
    process = subprocess.Popen(  # noqa: S603
        ["unshare", *UNSHARED, *map(str, boot)],  # noqa: S607
        stdin=subprocess.DEVNULL,
    )
    try:
        yield _ready(process)
    finally:
        with suppress(ProcessLookupError):
            _first_of(process, kill=True)
        process.wait(timeout=30)
        Path(base).rmdir()


def _ready(process: subprocess.Popen[bytes]) -> Machine:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        with suppress(RuntimeError, ProcessLookupError):
            machine = Machine(_first_of(process))
            machine.run("systemctl", "is-active", "trial.target")
            return machine
        time.sleep(0.1)
    raise RuntimeError("systemd does not come up")


def _first_of(process: subprocess.Popen[bytes], *, kill: bool = False) -> int:
    """Its process 1, as we number it; with that all others end."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    if not children.split():
        raise ProcessLookupError
    first = int(children.split()[0])
    if kill:
        subprocess.run(["kill", "-KILL", str(first)], check=False)  # noqa: S603, S607
    return first
