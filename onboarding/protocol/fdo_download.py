"""``fdo.download``, the owner's side: push files to the device.

Source: FIDO FDO ServiceInfo modules, fdo.download.
"""

import hashlib
from dataclasses import dataclass, field

from onboarding.protocol.errors import MessageRefused
from onboarding.protocol.modules import Message, ModuleContext, ModuleResult, Progress
from ownership_vouchers import cbor

NAME = "fdo.download"
CHUNK = 1014  # bytes of one data message; what every peer takes
MAX_NAME = 255
_OVERHEAD = 32  # key and heads around a chunk
_ANNOUNCE, _DATA, _WAIT = 0, 1, 2


@dataclass(frozen=True, slots=True)
class FilePush:
    """One file: its name as the device is to call it, and its content.

    A name has 1 to 255 characters; whether the device takes it is its own affair.
    """

    name: str
    content: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not 0 < len(self.name) <= MAX_NAME:
            raise ValueError(f"file name of {len(self.name)} characters")


@dataclass(frozen=True, slots=True)
class _State:
    index: int = 0  # of the file under way
    phase: int = _ANNOUNCE
    offset: int = 0  # of the content, sent so far
    failure: str = ""

    def to_item(self) -> list[object]:
        return [self.index, self.phase, self.offset, self.failure]

    @classmethod
    def of(cls, item: object) -> "_State":
        index, phase, offset, failure = cbor.array(item, 4)
        return cls(
            cbor.uint(index, 32),
            cbor.uint(phase, 8),
            cbor.uint(offset, 64),
            cbor.tstr(failure, limit=1024),
        )


@dataclass(frozen=True, slots=True)
class DownloadModule:
    """Pushes ``files`` one after the other; the first that fails ends it."""

    files: tuple[FilePush, ...]
    required: bool = True
    name: str = NAME

    def start(self, ctx: ModuleContext) -> object:
        """Return the state before the first file."""
        return _State().to_item()

    def receive(
        self, state: object, message: str, value: bytes, ctx: ModuleContext
    ) -> object:
        """Take ``done``; other messages are not for us.

        Raises:
            MessageRefused: The device is done before it was sent everything.
        """
        now = _State.of(state)
        if message != "done":
            return state
        written = cbor.integer(cbor.decode(value))
        file = self.files[now.index] if now.index < len(self.files) else None
        if file is None:
            raise MessageRefused("fdo.download:done with no file under way")
        if written < 0:
            failed = f"the device could not write {file.name}"
            return _State(now.index, _WAIT, now.offset, failed).to_item()
        if now.phase != _WAIT or written != len(file.content):
            raise MessageRefused(f"fdo.download:done after {written} bytes")
        return _State(now.index + 1).to_item()

    def produce(
        self, state: object, budget: int, ctx: ModuleContext
    ) -> tuple[object, list[Message], Progress]:
        """Announce a file, and send its chunks right behind.

        The device named the module in devmod, so its ``active`` is not waited for:
        a file that fits into one message takes one round trip less. A device that
        turns the module down after all ignores what came with it.
        """
        now = _State.of(state)
        if now.failure or now.index == len(self.files):
            return state, [], Progress.DONE
        file = self.files[now.index]
        messages: list[Message] = []
        if now.phase == _ANNOUNCE:
            messages = _announce(file)
            budget -= sum(len(value) + _OVERHEAD for _, value in messages)
            now = _State(now.index, _DATA)
        while now.phase == _DATA and budget > _OVERHEAD:
            chunk = file.content[now.offset :][: min(CHUNK, budget - _OVERHEAD)]
            messages.append(("data", cbor.encode(chunk)))
            budget -= len(chunk) + _OVERHEAD
            offset = now.offset + len(chunk)
            phase = _WAIT if offset == len(file.content) else _DATA
            now = _State(now.index, phase, offset)
        progress = Progress.WAITING if now.phase == _WAIT else Progress.MORE
        return now.to_item(), messages, progress

    def result(self, state: object) -> ModuleResult:
        """Tell whether every file arrived."""
        now = _State.of(state)
        names = [one.name for one in self.files]
        facts: dict[str, object] = {"files": names[: now.index]}
        detail = now.failure or f"{len(names)} files written"
        return ModuleResult(self.name, not now.failure, detail, facts)


def _announce(file: FilePush) -> list[Message]:
    digest = hashlib.sha384(file.content).digest()
    return [
        ("name", cbor.encode(file.name)),
        ("length", cbor.encode(len(file.content))),
        ("sha-384", cbor.encode(digest)),
    ]
