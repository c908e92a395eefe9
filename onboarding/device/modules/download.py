"""``fdo.download`` on the device: a file the owner wants here.

Source: FIDO FDO ServiceInfo modules, fdo.download.
"""

from collections.abc import Sequence
from pathlib import Path

from onboarding.device.errors import ApplyError
from onboarding.device.modules.journal import Journal
from onboarding.device.modules.landing import Landing
from onboarding.protocol.modules import Message
from ownership_vouchers import cbor

MAX_FILE = 64 * 1024 * 1024
MAX_CHUNK = 65535
FAILED = -1


class DownloadModule:
    """Receives files into ``directory``, one after the other.

    A name is a relative path of plain components; any other is answered with -1.
    Without a length a file is a stream, and an empty chunk ends it. Some owners send
    no chunk at all of an empty file: then their silence ends it.
    """

    name = "fdo.download"

    def __init__(
        self, directory: Path, limit: int = MAX_FILE, journal: Journal | None = None
    ) -> None:
        self._directory = directory
        self._limit = limit
        self._journal = journal or Journal()
        self._received: list[str] = []
        self._landing: Landing | None = None
        self._name: str | None = None  # None: no file is under way
        self._length: int | None = None
        self._digest: bytes | None = None
        self._refusal = ""

    @property
    def received(self) -> tuple[str, ...]:
        """Names of the files that arrived whole, in order."""
        return tuple(self._received)

    def activated(self) -> Sequence[Message]:
        """Wait for a file; one that had begun is given up."""
        self._abandon()
        return []

    def silence(self) -> Sequence[Message]:
        """End an empty file of which nothing will come any more."""
        empty = self._name is not None and self._length == 0
        return self._data(b"") if empty else []

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

    def close(self) -> None:
        """Leave nothing behind of a file that will not come to its end."""
        self._abandon()

    def _reset(self) -> None:
        self._landing = self._name = None
        self._length = self._digest = None
        self._refusal = ""

    def _begin(self, name: str) -> None:
        self._abandon()
        self._name = name
        try:
            self._landing = Landing.open(self._directory, name, self._limit)
        except ApplyError as error:
            self._refusal = str(error)  # answered when its data has come

    def _data(self, chunk: bytes) -> Sequence[Message]:
        if self._name is None:
            return []  # the rest of a file that was answered already
        try:
            size = self._write(chunk)
            whole = not chunk if self._length is None else size == self._length
            if not whole:
                return []
            return self._settled(self._name)
        except ApplyError as error:
            self._journal.failed(self.name, str(error))
            self._abandon()
            return [("done", cbor.encode(FAILED))]

    def _write(self, chunk: bytes) -> int:
        if self._landing is None:
            raise ApplyError(self._refusal)
        self._landing.write(chunk)
        if self._length is not None and self._landing.size > self._length:
            raise ApplyError(f"{self._name} is longer than was said")
        return self._landing.size

    def _settled(self, name: str) -> Sequence[Message]:
        assert self._landing is not None  # noqa: S101 - it was written to just now
        self._landing.settle(self._digest)
        size = self._landing.size
        self._received.append(name)
        self._journal.done(self.name, f"{name}, {size} bytes")
        self._reset()
        return [("done", cbor.encode(size))]

    def _abandon(self) -> None:
        if self._landing is not None:
            self._landing.abandon()
        self._reset()
