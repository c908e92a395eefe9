"""What dockerd leaves behind when it ends: its bridge, its rules, empty cgroups.

If it was killed there is more: containerd, whatever it held, and mounts.
"""

import os
import shlex
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

BRIDGE = "10.200.0"  # a range that a machine's own docker does not use by itself
NETWORKS = "10.201"
PREFIX = "vgdk"  # of directories for a run, in /tmp
_MARKS = ("DOCKER", "docker0", f"{BRIDGE}.0/24", f"{NETWORKS}.")
_TABLES = ("filter", "nat", "raw")
_FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
_GROUPS = Path("/sys/fs/cgroup")
# Made by dockerd and containerd wherever their data is.
_TRACES = ("/etc/docker", "/opt/containerd", "/run/docker", "/run/containerd")


class Tidy:
    """Made before dockerd is started; ``up`` is called when it has ended.

    Where another dockerd serves this machine nothing is taken away: it might be its.
    """

    def __init__(self) -> None:
        self._alone = not _said("ip", "link", "show", "docker0") or _orphaned()
        if self._alone:  # what is there is of a run that was killed
            _undo()
            for path in Path("/tmp").glob(f"{PREFIX}*"):  # noqa: S108
                shutil.rmtree(path, ignore_errors=True)
        self._forwarded = "-P FORWARD ACCEPT" in _said("iptables", "-S", "FORWARD")
        self._forwarding = _FORWARDING.read_text()
        self._traces = [path for path in map(Path, _TRACES) if not path.exists()]

    def up(self, run_directory: Path, data: Path) -> None:
        """Take away what is left. What cannot be taken away is left."""
        for number in _started_in(run_directory):
            with suppress(OSError):
                os.kill(number, signal.SIGKILL)
        for line in reversed(Path("/proc/mounts").read_text().splitlines()):
            where = line.split()[1]
            # dockerd mounts its data on itself, and leaves it so if it cannot start.
            if where.startswith((f"{run_directory}/", f"{data}/")) or where == str(
                data
            ):
                _said("umount", "-l", where)
        if not self._alone:
            return
        _undo()
        if self._forwarded:
            _said("iptables", "-P", "FORWARD", "ACCEPT")
        with suppress(OSError):
            _FORWARDING.write_text(self._forwarding)
        for path in self._traces:
            shutil.rmtree(path, ignore_errors=True)


def alive(number: int) -> bool:
    """Whether a process runs; one that nobody has waited for does not."""
    try:
        status = Path(f"/proc/{number}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def _orphaned() -> bool:
    """Whether docker0 is of a run of ours whose dockerd is gone."""
    ours = f"inet {BRIDGE}.1/24" in _said("ip", "address", "show", "docker0")
    return ours and not any(_is_dockerd(path) for path in Path("/proc").glob("[0-9]*"))


def _is_dockerd(process: Path) -> bool:
    with suppress(OSError):
        return (process / "comm").read_text().strip() == "dockerd"
    return False


def _started_in(run_directory: Path) -> list[int]:
    """containerd and its shims have its name among their arguments.

    What ran in containers is in a control group of docker's, and is theirs.
    """
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if f"{run_directory}/".encode() in path.read_bytes():
                found.append(int(path.parent.name))
    for number in list(found):
        found += _children(number)
    return [number for number in found if number != os.getpid()]


def _children(number: int) -> list[int]:
    found: list[int] = []
    with suppress(OSError):
        text = Path(f"/proc/{number}/task/{number}/children").read_text()
        for child in map(int, text.split()):
            found += [child, *_children(child)]
    return found


def _undo() -> None:
    bridges = [
        line.split()[1]
        for line in _said("ip", "-o", "-4", "address").splitlines()
        if f" inet {NETWORKS}." in line and line.split()[1].startswith("br-")
    ]
    for table in _TABLES:
        _drop(table, [*_MARKS, *bridges])
    for name in ("docker0", *bridges):
        _said("ip", "link", "delete", name)
    for directory in (*_GROUPS.glob("*/docker"), _GROUPS / "docker"):
        for one in (*directory.glob("*/"), directory):
            with suppress(OSError):
                one.rmdir()


def _drop(table: str, marks: list[str]) -> None:
    """Rules first, so that no chain is in use when it is removed."""
    listed = _said("iptables", "-t", table, "-S").splitlines()
    ours = [line for line in listed if any(mark in line for mark in marks)]
    for line in ours:
        if line.startswith("-A "):
            _said("iptables", "-t", table, "-D", *shlex.split(line)[1:])
    for line in ours:
        if line.startswith("-N "):
            _said("iptables", "-t", table, "-X", line.split()[1])


def _said(*command: str) -> str:
    """What it prints; nothing if it fails."""
    done = subprocess.run(  # noqa: S603 - our own arguments, no shell
        command, capture_output=True, text=True, check=False
    )
    return done.stdout if done.returncode == 0 else ""
