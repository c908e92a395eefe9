"""Where files from outside land: beside their place first, then in it.

A file is renamed when it is whole and verified, so nobody ever reads half of it.
"""

import hashlib
import hmac
import os
from pathlib import Path
from typing import BinaryIO, Self

from onboarding.device.applier import WorkloadFile, check_files
from onboarding.device.errors import ApplyError


class Landing:
    """One file on its way into ``directory``; use ``settle`` or ``abandon``."""

    def __init__(self, target: Path, file: BinaryIO, limit: int) -> None:
        self._target = target
        self._file = file
        self._limit = limit
        self._hash = hashlib.sha384()
        self.size = 0

    @classmethod
    def open(cls, directory: Path, name: str, limit: int) -> Self:
        """Begin a file of at most ``limit`` bytes.

        Args:
            name: A relative path of plain components; no other is taken.

        Raises:
            ApplyError: The name is no such path, or the file cannot be made.
        """
        check_files([WorkloadFile(name, b"")])
        target = directory / name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.parent.resolve().is_relative_to(directory.resolve()):
                raise ApplyError(f"{name} leads out of {directory}")
            return cls(target, _part(target).open("wb"), limit)
        except OSError as error:
            raise ApplyError(f"cannot write {name}: {error.strerror}") from error

    def write(self, chunk: bytes) -> None:
        """Add to the file. Raises ApplyError when it is too long, or the disk full."""
        self.size += len(chunk)
        if self.size > self._limit:
            raise ApplyError(f"{self._target.name} is over {self._limit} bytes")
        self._hash.update(chunk)
        try:
            self._file.write(chunk)
        except OSError as error:
            raise ApplyError(f"cannot write {self._target.name}") from error

    def settle(self, digest: bytes | None) -> None:
        """Give the file its name, if ``digest`` is None or its SHA-384.

        Raises:
            ApplyError: It is another file, or cannot be put in place.
        """
        found = self._hash.digest()
        if digest is not None and not hmac.compare_digest(found, digest):
            raise ApplyError(f"{self._target.name} is not what its SHA-384 says")
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            os.replace(_part(self._target), self._target)
        except OSError as error:
            name = self._target.name
            raise ApplyError(f"cannot write {name}: {error.strerror}") from error

    def abandon(self) -> None:
        """Leave nothing behind."""
        self._file.close()
        _part(self._target).unlink(missing_ok=True)


def _part(target: Path) -> Path:
    return target.with_name(f".{target.name}.part")
