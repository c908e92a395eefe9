"""Small files of /sys and /proc, read within bounds; below a root that a test can give.

What is absent or unreadable is None: a machine that does not say something is no fault.
"""

import os
import stat
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from hw.log_text import printable

DEFAULT_TCTI = "device:/dev/tpmrm0"  # the kernel's resource manager
MAX_FILE = 64 * 1024
MAX_TEXT = 128  # characters of one value
MAX_ENTRIES = 256  # of one directory that are looked at


@dataclass(frozen=True, slots=True)
class SysFiles:
    """The machine's files; another ``root`` than ``/`` is a recorded machine."""

    root: Path = Path("/")

    def raw(self, path: str, limit: int = MAX_FILE) -> bytes | None:
        """The first ``limit`` bytes of a regular file."""
        try:
            flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
            descriptor = os.open(self.root / path, flags)
        except (OSError, ValueError):
            return None
        with os.fdopen(descriptor, "rb", buffering=0) as file:
            try:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    return None
                return file.read(limit)
            except OSError:
                return None

    def text(self, path: str) -> str | None:
        """A file of one line, fit to be shown; None when it is empty, too."""
        data = self.raw(path, 4096)
        if data is None:
            return None
        line = data.split(b"\0", 1)[0].decode("utf-8", "replace").strip()
        return printable(line, MAX_TEXT) or None

    def number(self, path: str) -> int | None:
        """A decimal number."""
        text = self.text(path)
        return int(text) if text and text.isascii() and text.isdigit() else None

    def exists(self, path: str) -> bool:
        """Whether there is anything of that name."""
        try:
            return (self.root / path).exists()
        except OSError:
            return False

    def names(self, path: str) -> list[str]:
        """What is in a directory, by name, or the MAX_ENTRIES that come first."""
        try:
            with os.scandir(self.root / path) as found:
                return sorted(one.name for one in islice(found, MAX_ENTRIES))
        except OSError:
            return []
