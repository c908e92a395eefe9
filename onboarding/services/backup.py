"""Backups: one file with every row and key file, and a way back from it.

A backup is taken in one snapshot while services run. Key files are in it as they lie:
encrypted under their passphrase. What is not in it: the passphrase, ``server.secret``
(sessions under way end), and files that plans send by their path.
"""

import hashlib
import json
import re
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from onboarding.services.errors import ServicesError
from onboarding.store import archive, schema
from onboarding.store.archive import Shape, Tables
from onboarding.store.database import Database
from onboarding.store.errors import InvalidRecord
from onboarding.store.event_log import ChainHead, EventLog
from onboarding.store.events import Event

FORMAT = 1
CONTENTS = "contents.json"
_TABLE, _KEY = "tables/", "keys/"
_MAX_CONTENTS = 1024 * 1024
_MAX_ROW = 64 * 1024 * 1024
_MAX_KEY = 65536
_LENGTH = 4  # bytes in front of each row
_KEY_FILES = "*.key"
_MEMBER = re.compile(r"tables/[a-z0-9_]{1,64}|keys/[a-z0-9][a-z0-9-]{0,63}\.key")


class BackupError(ServicesError):
    """A file that is no backup of ours, or not a whole one."""


@dataclass(frozen=True, slots=True)
class Part:
    """One member of a backup: what it is called, holds, and its SHA-256."""

    name: str
    digest: str
    rows: int = 0
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Contents:
    """What a backup says it holds; ``made_at`` in seconds since 1970."""

    made_at: int
    revision: str
    parts: tuple[Part, ...]

    @property
    def rows(self) -> int:
        return sum(one.rows for one in self.parts)

    @property
    def keys(self) -> int:
        return sum(one.name.startswith(_KEY) for one in self.parts)

    def encode(self) -> bytes:
        parts = [[one.name, one.digest, one.rows, one.columns] for one in self.parts]
        return json.dumps(
            {
                "format": FORMAT,
                "made_at": self.made_at,
                "revision": self.revision,
                "parts": parts,
            }
        ).encode()

    @classmethod
    def decode(cls, data: bytes) -> "Contents":
        """Raises BackupError."""
        try:
            found = json.loads(data)
            if found["format"] != FORMAT:
                raise BackupError(f"the backup is of format {found['format']}")
            parts = tuple(
                Part(str(name), str(digest), int(rows), tuple(map(str, columns)))
                for name, digest, rows, columns in found["parts"]
            )
            return cls(int(found["made_at"]), str(found["revision"]), parts)
        except (ValueError, KeyError, TypeError) as error:
            raise BackupError("the backup's contents cannot be read") from error


def write(database: Database, keys: Path, out: IO[bytes], now: int) -> Contents:
    """Write a backup of ``database`` and the key files in ``keys`` to ``out``."""
    with tempfile.TemporaryDirectory(prefix="vouchgate-backup-") as name:
        directory = Path(name)
        with database.snapshot() as connection:
            revision = schema.revision_of(connection)
            tables = Tables(connection)
            parts = [
                _write_table(directory, shape, tables.rows_of(shape))
                for shape in tables.shapes()
            ]
        parts += [_copy_key(directory, path) for path in sorted(keys.glob(_KEY_FILES))]
        contents = Contents(now, revision, tuple(parts))
        (directory / CONTENTS).write_bytes(contents.encode())
        with tarfile.open(fileobj=out, mode="w:gz") as tar:
            for member in (CONTENTS, *(one.name for one in parts)):
                tar.add(directory / member, member, filter=_plain)
    return contents


def restore(
    source: IO[bytes], database: Database, keys: Path, actor: str, now: int
) -> tuple[Contents, ChainHead]:
    """Fill an empty database and a key directory from a backup.

    The rows go in whole or not at all, and not before each part has its digest; the
    audit log is recomputed afterwards, and notes the restoration.

    Raises:
        BackupError: The file is no whole backup, or a key file stands in the way.
        Conflict: The database is not empty.
        ChainBroken: The audit log in it was altered.
    """
    with tempfile.TemporaryDirectory(prefix="vouchgate-restore-") as name:
        directory = Path(name)
        contents = unpack(source, directory)
        _require_free(directory, contents, keys)
        with database.rebuilding() as connection:
            tables = archive.prepare(connection, contents.revision)
            for part in contents.parts:
                if part.name.startswith(_TABLE):
                    shape = _shape(part)
                    rows = _read_table(directory / part.name, shape)
                    tables.fill(shape, rows)
            schema.upgrade(connection)
        head = EventLog(database).verify_chain()
        _put_keys(directory, contents, keys)
    detail = {"made_at": contents.made_at, "rows": contents.rows}
    EventLog(database).append(Event("database.restored", actor, now, detail=detail))
    return contents, head


def unpack(source: IO[bytes], directory: Path) -> Contents:
    """Unpack a backup's members; each must have the digest that it is listed with.

    Raises:
        BackupError: It is no backup, not whole, or was altered.
    """
    try:
        with tarfile.open(fileobj=source, mode="r:gz") as tar:
            first = tar.next()
            if first is None or first.name != CONTENTS or first.size > _MAX_CONTENTS:
                raise BackupError("the file is no backup")
            contents = Contents.decode(_member(tar, first).read())
            for part in contents.parts:
                _unpack_part(tar, part, directory)
            return contents
    except (tarfile.TarError, OSError, EOFError) as error:
        raise BackupError("the file is no backup, or is cut short") from error


def _unpack_part(tar: tarfile.TarFile, part: Part, directory: Path) -> None:
    if not _MEMBER.fullmatch(part.name):
        raise BackupError(f"the backup lists {part.name!r}")
    found = tar.next()
    if found is None or found.name != part.name or not found.isreg():
        raise BackupError(f"the backup lacks {part.name}")
    path = directory / part.name
    path.parent.mkdir(exist_ok=True)
    digest = hashlib.sha256()
    with path.open("wb") as out, _member(tar, found) as member:
        while chunk := member.read(1024 * 1024):
            digest.update(chunk)
            out.write(chunk)
    if digest.hexdigest() != part.digest:
        raise BackupError(f"{part.name} was altered")


def _member(tar: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    found = tar.extractfile(info)
    if found is None:
        raise BackupError(f"{info.name} is no file")
    return found


def _write_table(directory: Path, shape: Shape, rows: Iterator[bytes]) -> Part:
    path = directory / f"{_TABLE}{shape.name}"
    path.parent.mkdir(exist_ok=True)
    digest, count = hashlib.sha256(), 0
    with path.open("wb") as out:
        for row in rows:
            framed = len(row).to_bytes(_LENGTH, "big") + row
            digest.update(framed)
            out.write(framed)
            count += 1
    return Part(f"{_TABLE}{shape.name}", digest.hexdigest(), count, shape.columns)


def _read_table(path: Path, shape: Shape) -> Iterator[archive.Row]:
    with path.open("rb") as file:
        while head := file.read(_LENGTH):
            size = int.from_bytes(head, "big")
            data = file.read(size) if size <= _MAX_ROW else b""
            if len(head) != _LENGTH or len(data) != size:
                raise InvalidRecord(f"table {shape.name} is cut short")
            yield archive.read_row(data, shape)


def _shape(part: Part) -> Shape:
    return Shape(part.name.removeprefix(_TABLE), part.columns)


def _copy_key(directory: Path, path: Path) -> Part:
    data = path.read_bytes()
    name = f"{_KEY}{path.name}"
    (directory / _KEY).mkdir(exist_ok=True)
    (directory / name).write_bytes(data)
    return Part(name, hashlib.sha256(data).hexdigest())


def _keys(directory: Path, contents: Contents) -> Mapping[str, bytes]:
    names = [one.name for one in contents.parts if one.name.startswith(_KEY)]
    found = {name.removeprefix(_KEY): (directory / name).read_bytes() for name in names}
    if any(len(data) > _MAX_KEY for data in found.values()):
        raise BackupError("a key file is too large")
    return found


def _require_free(directory: Path, contents: Contents, keys: Path) -> None:
    for name, data in _keys(directory, contents).items():
        path = keys / name
        if path.exists() and path.read_bytes() != data:
            raise BackupError(f"{path} is another key file; restore elsewhere")


def _put_keys(directory: Path, contents: Contents, keys: Path) -> None:
    keys.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, data in _keys(directory, contents).items():
        path = keys / name
        if not path.exists():
            path.touch(mode=0o600)
            path.write_bytes(data)


def _plain(info: tarfile.TarInfo) -> tarfile.TarInfo:
    """Say nothing of who made the backup, or where."""
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    info.mode = 0o600
    return info
