"""``fdo.download`` on the device: a file the owner wants here.

Written beside its place and renamed when whole and verified, so that nobody ever
reads half of it. Source: FIDO FDO ServiceInfo modules, fdo.download.
"""

import hashlib
import hmac
import os
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from onboarding.device.applier import WorkloadFile, check_files
from onboarding.device.errors import ApplyError
from onboarding.protocol.modules import Message
from ownership_vouchers import cbor

MAX_FILE = 64 * 1024 * 1024
MAX_CHUNK = 65535
FAILED = -1


class DownloadModule:
    """Receives files into ``directory``, one after the other.

    A name is a relative path of plain components; any other is answered with -1.
    """

    name = "fdo.download"

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._received: list[str] = []
        self._file: BinaryIO | None = None
        self._target: Path | None = None
        self._name: str | None = None  # None: no file is under way
        self._length: int | None = None
        self._digest: bytes | None = None
        self._size = 0
        self._hash = hashlib.sha384()

    @property
    def received(self) -> tuple[str, ...]:
        """Names of the files that arrived whole, in order."""
        return tuple(self._received)

    def receive(self, message: str, value: bytes) -> Sequence[Message]:
        """Take one message; answer ``done`` when the file is complete or lost.

        Raises:
            MalformedError: The value is not of the message's type.
        """
        item = cbor.decode(value)
        match message:
            case "name":
                self._begin(cbor.tstr(item))
            case "length":
                self._length = cbor.uint(item, 32)
            case "sha-384":
                self._digest = cbor.bstr(item, 48)
            case "data":
                return self._data(cbor.bstr(item, limit=MAX_CHUNK))
        return []

    def _reset(self) -> None:
        self._file = self._target = self._name = None
        self._length = self._digest = None
        self._size = 0
        self._hash = hashlib.sha384()

    def _begin(self, name: str) -> None:
        self._abandon()
        self._name = name
        try:
            check_files([WorkloadFile(name, b"")])
            self._target = self._directory / name
            self._target.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._temporary().open("wb")
        except (ApplyError, OSError):
            self._target = None  # answered when its data has come

    def _temporary(self) -> Path:
        assert self._target is not None  # noqa: S101 - set just before
        return self._target.with_name(f".{self._target.name}.part")

    def _data(self, chunk: bytes) -> Sequence[Message]:
        if self._name is None:
            return []  # the rest of a file that was answered already
        self._size += len(chunk)
        if not self._write(chunk):
            return self._end(ok=False)
        if self._length is None:
            return [] if chunk else self._end(ok=True)
        if self._size > self._length:
            return self._end(ok=False)
        return self._end(ok=True) if self._size == self._length else []

    def _write(self, chunk: bytes) -> bool:
        if self._file is None or self._size > MAX_FILE:
            return False
        self._hash.update(chunk)
        try:
            self._file.write(chunk)
        except OSError:
            return False
        return True

    def _end(self, *, ok: bool) -> Sequence[Message]:
        done = self._size if ok and self._settle() else FAILED
        if done == FAILED:
            self._abandon()
        elif self._name is not None:
            self._received.append(self._name)
            self._reset()
        return [("done", cbor.encode(done))]

    def _settle(self) -> bool:
        """Check the digest, then give the file its name."""
        if self._file is None or self._target is None:
            return False
        found = self._hash.digest()
        if self._digest is not None and not hmac.compare_digest(found, self._digest):
            return False
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            os.replace(self._temporary(), self._target)
        except OSError:
            return False
        return True

    def _abandon(self) -> None:
        if self._file is not None and self._target is not None:
            self._file.close()
            self._temporary().unlink(missing_ok=True)
        self._reset()
