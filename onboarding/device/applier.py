"""Putting a workload's files in place, and taking them away so that it shows."""

import hashlib
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from onboarding.device.errors import ApplyError

MAX_FILES = 256
MAX_BYTES = 16 * 1024 * 1024
MAX_DEPTH = 8
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._@-]{0,127}")
_RELEASES = ".releases"


@dataclass(frozen=True, slots=True)
class WorkloadFile:
    """One file of a workload: a relative path with ``/``, and its content."""

    path: str
    content: bytes


@dataclass(frozen=True, slots=True, order=True)
class FileDigest:
    """A file as it was found: its path and the SHA-256 of its bytes, in hex."""

    path: str
    sha256: str


class Applier(Protocol):
    """Where workloads go: a directory here, podman or Kubernetes elsewhere."""

    def apply(
        self, name: str, digest: str, files: Sequence[WorkloadFile]
    ) -> tuple[FileDigest, ...]:
        """Put ``files`` in place under ``name``, all of them or none.

        Returns what stands there afterwards, read back. Raises ApplyError.
        """

    def present(self, name: str) -> tuple[FileDigest, ...]:
        """Return what stands under ``name`` now; empty when nothing does."""

    def remove(self, name: str) -> tuple[FileDigest, ...]:
        """Take ``name`` away; return what was there.

        Returns only when it is gone. Raises ApplyError when some of it is left.
        """


class DirectoryApplier:
    """A workload is a link in ``root``, so that it changes in one step or not at all.

    ``root/NAME`` points at ``root/.releases/NAME@DIGEST``; whoever reads through the
    link sees either all of the old files or all of the new ones.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._releases = root / _RELEASES

    def apply(
        self, name: str, digest: str, files: Sequence[WorkloadFile]
    ) -> tuple[FileDigest, ...]:
        checked_name(name)
        check_files(files)
        if not re.fullmatch(r"[0-9a-f]{64}", digest):
            raise ApplyError("the manifest's digest is not 64 hexadecimal digits")
        try:
            target = self._write_release(f"{name}@{digest}", files)
            self._point(name, target)
            self._forget_releases(name, keep=target)
        except OSError as error:
            raise ApplyError(f"cannot write the workload {name}: {error}") from error
        return self.present(name)

    def present(self, name: str) -> tuple[FileDigest, ...]:
        link = self._root / checked_name(name)
        try:
            return _digests(link) if link.is_dir() else ()
        except OSError as error:
            raise ApplyError(f"cannot read the workload {name}: {error}") from error

    def remove(self, name: str) -> tuple[FileDigest, ...]:
        removed = self.present(name)
        link = self._root / name
        try:
            link.unlink(missing_ok=True)
            self._forget_releases(name, keep=None)
            if self._root.is_dir():
                _sync(self._root)
        except OSError as error:
            raise ApplyError(f"cannot remove the workload {name}: {error}") from error
        if link.is_symlink() or link.exists() or self._releases_of(name):
            raise ApplyError(f"some of the workload {name} is still there")
        return removed

    def names(self) -> tuple[str, ...]:
        """Return the workloads that stand here."""
        if not self._root.is_dir():
            return ()
        return tuple(sorted(p.name for p in self._root.iterdir() if p.is_symlink()))

    def _write_release(self, release: str, files: Sequence[WorkloadFile]) -> Path:
        """Write beside the target first: a half-written release has another name."""
        staging = self._releases / f".new-{release}"
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True, mode=0o755)
        for file in files:
            _write(staging / file.path, file.content)
        target = self._releases / release
        # Written anew even when it is there: its files may have been touched since.
        shutil.rmtree(target, ignore_errors=True)
        os.rename(staging, target)
        _sync(self._releases)
        return target

    def _point(self, name: str, target: Path) -> None:
        link = self._root / name
        if link.exists() and not link.is_symlink():
            raise ApplyError(f"{link} is not ours: move it away and try again")
        fresh = self._root / f".link-{name}"
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(target.relative_to(self._root))
        os.replace(fresh, link)
        _sync(self._root)

    def _releases_of(self, name: str) -> list[Path]:
        if not self._releases.is_dir():
            return []
        wanted = re.compile(rf"(\.new-)?{re.escape(name)}@[0-9a-f]{{64}}")
        return [p for p in self._releases.iterdir() if wanted.fullmatch(p.name)]

    def _forget_releases(self, name: str, keep: Path | None) -> None:
        for path in self._releases_of(name):
            if path != keep:
                shutil.rmtree(path)


def checked_name(name: str) -> str:
    """Return ``name`` if it is one plain path component. Raises ApplyError."""
    if not _NAME.fullmatch(name):
        raise ApplyError(f"{name!r} is no name for a workload or a file in it")
    return name


def check_files(files: Sequence[WorkloadFile]) -> None:
    """Raise ApplyError unless every path stays inside and all fit together."""
    if not 0 < len(files) <= MAX_FILES:
        raise ApplyError(f"a workload has 1 to {MAX_FILES} files, not {len(files)}")
    if sum(len(file.content) for file in files) > MAX_BYTES:
        raise ApplyError(f"the workload is over {MAX_BYTES} bytes")
    paths = [_parts(file.path) for file in files]
    if len({tuple(map(str.casefold, parts)) for parts in paths}) != len(paths):
        raise ApplyError("two files of the workload have the same path")
    whole = set(paths)
    for parts in paths:
        if any(parts[:end] in whole for end in range(1, len(parts))):
            raise ApplyError(f"{'/'.join(parts)} lies under another file")


def _parts(path: str) -> tuple[str, ...]:
    parts = tuple(path.split("/"))
    if len(parts) > MAX_DEPTH:
        raise ApplyError(f"{path!r} is more than {MAX_DEPTH} levels deep")
    for part in parts:
        checked_name(part)
    return parts


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    _sync(path.parent)


def _sync(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _digests(directory: Path) -> tuple[FileDigest, ...]:
    found = []
    for path in sorted(directory.rglob("*")):
        if path.is_file() or path.is_symlink():
            relative = path.relative_to(directory).as_posix()
            found.append(FileDigest(relative, _sha256(path)))
    return tuple(found)


def _sha256(path: Path) -> str:
    """A link that somebody put there is hashed as a link, not followed."""
    if path.is_symlink():
        return hashlib.sha256(os.fsencode(os.readlink(path))).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
