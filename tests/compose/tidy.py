"""What dockerd leaves behind when it ends: its bridge, its rules, empty cgroups."""

import shlex
import subprocess
from contextlib import suppress
from pathlib import Path

BRIDGE = "10.200.0"  # a range that a machine's own docker does not use by itself
_MARKS = ("DOCKER", "docker0", f"{BRIDGE}.0/24")
_TABLES = ("filter", "nat")


class Tidy:
    """Made before dockerd is started; ``up`` is called when it has ended.

    Where another dockerd serves this machine nothing is taken away: it might be its.
    """

    def __init__(self) -> None:
        self._alone = not Path("/sys/class/net/docker0").exists()
        self._forwarded = "-P FORWARD ACCEPT" in _said("iptables", "-S", "FORWARD")

    def up(self, exec_root: Path) -> None:
        """Take away what is left. What cannot be taken away is left."""
        for line in Path("/proc/mounts").read_text().splitlines():
            where = line.split()[1]
            if where.startswith(f"{exec_root}/"):
                _said("umount", "-l", where)
        if not self._alone:
            return
        for table in _TABLES:
            _drop(table)
        if self._forwarded:
            _said("iptables", "-P", "FORWARD", "ACCEPT")
        _said("ip", "link", "delete", "docker0")
        for directory in Path("/sys/fs/cgroup").glob("*/docker"):
            with suppress(OSError):
                directory.rmdir()


def _drop(table: str) -> None:
    """Rules first, so that no chain is in use when it is removed."""
    listed = _said("iptables", "-t", table, "-S").splitlines()
    ours = [line for line in listed if any(mark in line for mark in _MARKS)]
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
