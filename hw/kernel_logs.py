"""The logs that the kernel hands out: of the boot, and of what was measured since.

Reading them takes root, and nothing of what is read is checked here.
"""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from hw.errors import LogUnavailableError
from hw.eventlog import MAX_LOG
from hw.ima import MAX_LINE, MAX_LIST

UEFI_LOG = Path("sys/kernel/security/tpm0/binary_bios_measurements")
IMA_LIST = Path("sys/kernel/security/ima/ascii_runtime_measurements")
IMA_BINARY = Path("sys/kernel/security/ima/binary_runtime_measurements")
_CHUNK = 64 * 1024


@dataclass(frozen=True, slots=True)
class ImaPart:
    """Lines of the IMA list, from entry number ``first`` on.

    ``following`` is the number of the entry behind them; ``more`` whether another part
    follows.
    """

    first: int
    following: int
    lines: bytes = field(repr=False)
    more: bool


@dataclass(frozen=True, slots=True)
class KernelLogs:
    """Where the logs are; ``root`` is another directory than ``/`` for a recorded tree.

    ``uefi`` and ``ima`` are files that were given instead of the kernel's.
    """

    root: Path = Path("/")
    uefi: Path | None = None
    ima: Path | None = None

    def event_log(self) -> bytes:
        """The whole log of firmware and boot loader.

        Raises:
            LogUnavailableError: There is none, it cannot be read, or it is too large.
        """
        path = self.uefi or self.root / UEFI_LOG
        with _opened(path, "the firmware's event log") as file:
            data = _read(file, path, MAX_LOG + 1)
        if len(data) > MAX_LOG:
            raise LogUnavailableError(f"{path} is over {MAX_LOG} bytes")
        if not data:
            raise LogUnavailableError(f"{path} is empty: the firmware kept no log")
        return data

    def ima_parts(
        self, entries: int = 0, size: int = 0, limit: int = MAX_LIST
    ) -> Iterator[ImaPart]:
        """The IMA list behind its first ``entries`` lines of ``size`` bytes, in parts.

        One part at least, if an empty one, of whole lines and ``limit`` bytes at most;
        a longer line is one by itself.
        A list that does not begin with so many bytes in so many lines is another than
        whoever asks has: then all of it comes, from entry 0 on.

        Raises:
            LogUnavailableError: It cannot be read, or has a line of no reasonable
                length.
        """
        path = self.ima or self.root / IMA_LIST
        for first in (entries, 0):
            with _opened(path, "the IMA list") as file:
                lines = _lines(file, path)
                if first and _first(lines, first) != (first, size):
                    continue
                yield from _parts(lines, first, limit)
                return


def _first(lines: Iterator[bytes], entries: int) -> tuple[int, int]:
    """Pass over that many lines; say how many there were, and of what size."""
    sizes = [len(line) for line in islice(lines, entries)]
    return len(sizes), sum(sizes)


def _parts(lines: Iterator[bytes], first: int, limit: int) -> Iterator[ImaPart]:
    taken: list[bytes] = []
    size = 0
    for line in lines:
        if taken and size + len(line) > limit:
            following = first + len(taken)
            yield ImaPart(first, following, b"".join(taken), more=True)
            first, taken, size = following, [], 0
        taken.append(line)
        size += len(line)
    yield ImaPart(first, first + len(taken), b"".join(taken), more=False)


def _lines(file: BinaryIO, path: Path) -> Iterator[bytes]:
    """Whole lines; one that the kernel has not ended yet is not given."""
    rest = b""
    while chunk := _read(file, path, _CHUNK):
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) > MAX_LINE:
            raise LogUnavailableError(f"{path} has a line of over {MAX_LINE} bytes")
        yield from (line + b"\n" for line in lines)


def _opened(path: Path, what: str) -> BinaryIO:
    try:
        # A FIFO in the place of a file that was given must not make us wait.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise LogUnavailableError(
            f"{what} cannot be read at {path}: {error.strerror}"
        ) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise LogUnavailableError(f"{path} is no file")
    return os.fdopen(descriptor, "rb", buffering=0)


def _read(file: BinaryIO, path: Path, size: int) -> bytes:
    """Up to ``size`` bytes, fewer only at the end of the file."""
    found = b""
    try:
        while len(found) < size and (chunk := file.read(size - len(found))):
            found += chunk
    except OSError as error:
        raise LogUnavailableError(f"{path} cannot be read: {error.strerror}") from error
    return found
