"""Where the files of a plan come from: the store, or a directory of the service's."""

import hashlib
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from onboarding.services.errors import Problem
from onboarding.store.errors import NotFound
from onboarding.store.module_files import MAX_FILE, ModuleFileStore

Signature = tuple[int, int, int]
"""What changes when a file does: inode, size, time of its last change (ns)."""


@dataclass(frozen=True, slots=True)
class Content:
    """A file's bytes, and their SHA-384."""

    data: bytes = field(repr=False)
    sha384: bytes


class FileSource(Protocol):
    """Gives builders the files that their parameters name."""

    def stored(self, sha256: str) -> Content:
        """An uploaded file. Raises ValueError."""

    def local(self, path: str) -> Content:
        """A file in the service's directory. Raises ValueError."""


class PlanFiles:
    """Files by digest from the store, and by relative path below ``directory``."""

    def __init__(self, store: ModuleFileStore, directory: Path | None) -> None:
        self._store = store
        self._directory = directory

    def stored(self, sha256: str) -> Content:
        try:
            return Content(*self._store.content(bytes.fromhex(sha256)))
        except NotFound as error:
            raise ValueError(str(error)) from error

    def local(self, path: str) -> Content:
        try:
            with os.fdopen(self._open(path), "rb") as file:
                data = file.read(MAX_FILE + 1)
        except OSError as error:
            raise ValueError(f"{path}: {error.strerror}") from error
        if len(data) > MAX_FILE:
            raise ValueError(f"{path} is over {MAX_FILE} bytes")
        return Content(data, hashlib.sha384(data).digest())

    def signature(self, path: str) -> Signature:
        """Raises ValueError when the file cannot be read."""
        try:
            handle = self._open(path)
            try:
                found = os.fstat(handle)
            finally:
                os.close(handle)
        except OSError as error:
            raise ValueError(f"{path}: {error.strerror}") from error
        return found.st_ino, found.st_size, found.st_mtime_ns

    def named(self, name: str) -> str:
        """Return the digest of the newest uploaded file of that name, in hex.

        Raises:
            Problem: 422, there is none.
        """
        try:
            return self._store.find(name).sha256.hex()
        except NotFound as error:
            remedy = "Upload it: POST /api/v1/service-info/files?name=…"
            raise Problem(422, "no-such-file", str(error), remedy=remedy) from error

    def _open(self, path: str) -> int:
        """Open a regular file below the directory, wherever links lead."""
        if self._directory is None:
            raise ValueError("this service has no files_directory to read from")
        root = self._directory.resolve()
        target = (root / path).resolve()
        if "\0" in path or not target.is_relative_to(root):
            raise ValueError(f"{path} does not lie in the files_directory")
        handle = os.open(target, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise ValueError(f"{path} is no regular file")
        return handle


class KeptFiles:
    """Remembers what was read: one plan sends the same bytes from end to end."""

    def __init__(self, files: FileSource) -> None:
        self._files = files
        self._read: dict[tuple[str, str], Content] = {}

    def stored(self, sha256: str) -> Content:
        return self._kept(("stored", sha256), self._files.stored)

    def local(self, path: str) -> Content:
        return self._kept(("local", path), self._files.local)

    def _kept(self, key: tuple[str, str], read: Callable[[str], Content]) -> Content:
        if key not in self._read:
            self._read[key] = read(key[1])
        return self._read[key]
