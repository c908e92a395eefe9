"""A podman with storage, networks and secrets of its own."""

import os
import resource
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.compose.run import RunFailed, Skipped, run

PROGRAMS = ("podman", "iptables", "ip")
# Limits as they are: where they may not be raised, podman's own defaults cannot be had.
_CONFIGURATION = """\
[containers]
default_ulimits = ["nofile={files}:{files}", "nproc={processes}:{processes}"]
[network]
network_config_dir = "{directory}/networks"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
lock_type = "file"
{runtime}
"""
_BIN = "bin"
_MOST_PROCESSES = 32768  # podman lowers its own limit to it


@dataclass(frozen=True, slots=True)
class Podman:
    """How it is called."""

    directory: Path
    env: Mapping[str, str] = field(repr=False)

    def __call__(self, *words: str) -> str:
        """What it prints; raises RunFailed if it fails."""
        return run([str(self.directory / _BIN / "podman"), *words], self.env)

    def type(self, text: str, where: Path) -> str:
        """What commands of a shell print that call ``podman``; likewise."""
        return run(["bash", "-euo", "pipefail", "-c", text], self.env, where)

    def install(self) -> None:
        """Have ``podman`` be the one with storage of its own."""
        here, real = self.directory, shutil.which("podman")
        own = f"--root {here}/root --runroot {here}/run --tmpdir {here}/state"
        command = here / _BIN / "podman"
        command.parent.mkdir()
        command.write_text(f'#!/bin/sh\nexec {real} {own} "$@"\n')
        command.chmod(0o700)


@contextmanager
def podman() -> Iterator[Podman]:
    """Have one while inside; whatever it made is gone afterwards.

    Raises:
        Skipped: None runs on this machine; says why.
    """
    if os.geteuid() != 0:
        raise Skipped("the pods are played as root")
    for program in PROGRAMS:
        if shutil.which(program) is None:
            raise Skipped(f"no {program} on this machine")
    directory = Path(tempfile.mkdtemp(prefix="vgpm", dir="/tmp"))
    configuration = directory / "containers.conf"
    runtime = 'runtime = "runc"' if shutil.which("runc") else ""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    processes = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    text = _CONFIGURATION.format(
        files=files if 0 < files < 1 << 20 else 1 << 20,
        processes=min(processes if processes > 0 else _MOST_PROCESSES, _MOST_PROCESSES),
        directory=directory,
        runtime=runtime,
    )
    configuration.write_text(text)
    chains = _chains()
    path = f"{directory / _BIN}:{os.environ['PATH']}"
    env = {**os.environ, "CONTAINERS_CONF": str(configuration), "PATH": path}
    found = Podman(directory, env)
    found.install()
    try:
        yield found
    finally:
        for words in (("pod", "rm", "-a", "-f", "-t", "0"), ("network", "prune", "-f")):
            with suppress(RunFailed):
                found(*words)
        with suppress(RunFailed):
            found("system", "reset", "-f")
        for mount in reversed(Path("/proc/mounts").read_text().splitlines()):
            where = mount.split()[1]
            if where.startswith(f"{directory}/"):
                subprocess.run(["umount", "-l", where], check=False)  # noqa: S603, S607
        for table, chain in _chains() - chains:
            _drop(table, chain)
        shutil.rmtree(directory, ignore_errors=True)


def _chains() -> set[tuple[str, str]]:
    """Chains of its networks, by table."""
    found = set()
    for table in ("filter", "nat"):
        listed = _listed(table)
        found |= {(table, line.split()[1]) for line in listed if line.startswith("-N ")}
    return {one for one in found if one[1].startswith("NETAVARK")}


def _listed(table: str) -> list[str]:
    return run(["iptables", "-t", table, "-S"]).splitlines()


def _drop(table: str, chain: str) -> None:
    for line in _listed(table):
        if line.startswith("-A ") and chain in line.split():
            with suppress(RunFailed):
                run(["iptables", "-t", table, "-D", *shlex.split(line)[1:]])
    with suppress(RunFailed):
        run(["iptables", "-t", table, "-F", chain])
        run(["iptables", "-t", table, "-X", chain])
