"""``fdo.upload`` on the device: a file of ours the owner wants to have.

Source: FIDO FDO ServiceInfo modules, fdo.upload.
"""

import hashlib
import os
import stat
from collections.abc import Sequence
from pathlib import Path

from onboarding.device.errors import ApplyError
from onboarding.device.modules.journal import Journal
from onboarding.protocol.modules import Message
from ownership_vouchers import cbor

CHUNK = 1014  # bytes of one data message; what every peer takes
MAX_FILE = 16 * 1024 * 1024


class UploadModule:
    """Gives files that are among ``permitted``, or below a directory among them.

    What may not be given is answered with ``active`` false: the module has no word
    for it. Links are followed before it is judged where a file lies.
    """

    name = "fdo.upload"

    def __init__(
        self,
        permitted: Sequence[Path],
        limit: int = MAX_FILE,
        journal: Journal | None = None,
    ) -> None:
        self._permitted = tuple(permitted)
        self._limit = limit
        self._journal = journal or Journal()
        self._need_digest = False

    def activated(self) -> Sequence[Message]:
        """Wait for the name of a file."""
        self._need_digest = False
        return []

    def receive(self, message: str, value: bytes) -> Sequence[Message]:
        """Take one message; a name is answered with the file.

        Raises:
            MalformedError: The value is not of the message's type.
        """
        item = cbor.decode(value)
        match message:
            case "need-sha":
                self._need_digest = cbor.boolean(item)
            case "name":
                return self._give(cbor.tstr(item, limit=1024))
        return []

    def _give(self, name: str) -> Sequence[Message]:
        try:
            content = self._read(name)
        except ApplyError as error:
            self._journal.failed(self.name, str(error))
            return [("active", cbor.encode(False))]
        self._journal.done(self.name, f"{name}, {len(content)} bytes")
        pieces = [content[at : at + CHUNK] for at in range(0, len(content), CHUNK)]
        messages = [("length", cbor.encode(len(content)))]
        messages += [("data", cbor.encode(piece)) for piece in pieces or [b""]]
        if self._need_digest:
            digest = hashlib.sha384(content).digest()
            messages.append(("sha-384", cbor.encode(digest)))
        return messages

    def _read(self, name: str) -> bytes:
        try:
            path = Path(name).resolve(strict=True)
            permitted = [one.resolve() for one in self._permitted]
            if not Path(name).is_absolute() or not any(
                path.is_relative_to(one) for one in permitted
            ):
                raise ApplyError(f"{name!r} is not among what may be given")
            return self._read_regular(path)
        except (OSError, ValueError, RuntimeError) as error:
            raise ApplyError(f"{name!r} cannot be read") from error

    def _read_regular(self, path: Path) -> bytes:
        """A device, a pipe or a link that came since is none of our files."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with os.fdopen(os.open(path, flags), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ApplyError(f"{str(path)!r} is no regular file")
            content = file.read(self._limit + 1)
        if len(content) > self._limit:
            raise ApplyError(f"{str(path)!r} is over {self._limit} bytes")
        return content
