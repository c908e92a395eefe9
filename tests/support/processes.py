"""Which processes of this machine have to do with a directory."""

import os
from pathlib import Path


def processes_using(directory: Path) -> list[str]:
    """Command lines of live processes that name ``directory`` or stand in it."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            command = _command(entry)
            if command and (str(directory) in command or _stands_in(entry, directory)):
                found.append(command)
    return found


def _command(process: Path) -> str:
    """Empty for a process that is gone, and for one that has ended and waits."""
    try:
        return (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def _stands_in(process: Path, directory: Path) -> bool:
    try:
        return (process / "cwd").resolve().is_relative_to(directory)
    except OSError:
        return False
