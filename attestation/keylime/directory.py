"""A stack's directory: one stack in it at a time, and no half-made databases."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attestation.keylime.errors import KeylimeStartError
from attestation.keylime.launch import PROGRAMS

POLL_SECONDS = 0.05
_LOCK = "lock"
_COMPLETE = "complete"


@contextmanager
def claimed(directory: Path, patience: float) -> Iterator[int]:
    """Hold ``directory``, made if need be, and yield the descriptor that holds it.

    Whoever inherits the descriptor goes on holding it. A stack whose owner was killed
    takes a moment to end, so this waits up to ``patience`` seconds.

    Raises:
        KeylimeStartError: Another stack runs there.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        deadline = time.monotonic() + patience
        while not _locked(descriptor):
            if time.monotonic() > deadline:
                raise KeylimeStartError(f"another stack runs in {directory}")
            time.sleep(POLL_SECONDS)
        yield descriptor
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def drop_unfinished(directory: Path) -> None:
    """Remove the databases of a stack that never came up.

    Keylime interrupted while it makes its tables never starts on them again; and a
    stack that never answered has nothing of anybody's in them.
    """
    if (directory / _COMPLETE).exists():
        return
    for name in PROGRAMS:
        for file in (directory / name).glob("*.sqlite*"):
            if file.is_file():
                file.unlink()


def mark_complete(directory: Path) -> None:
    """Remember that the stack came up, so its databases are whole and to be kept."""
    (directory / _COMPLETE).touch(mode=0o600)
