"""``fdo.download``, the owner's side: push files to the device.

Source: FIDO FDO ServiceInfo modules, fdo.download.
"""

import hashlib
from dataclasses import dataclass, field

from onboarding.protocol.errors import MessageRefused, ModuleFailed
from onboarding.protocol.modules import Message, ModuleContext, ModuleResult, Progress
from ownership_vouchers import cbor
from ownership_vouchers.values import lean

NAME = "fdo.download"
CHUNK = 1014  # bytes of one data message; what every peer takes
MAX_NAME = 255
_OVERHEAD = 32  # key and heads around a chunk
_MAX_ITEM = 1024  # characters
_ANNOUNCE, _DATA, _WAIT = 0, 1, 2


@dataclass(frozen=True, slots=True)
class FilePush:
    """One file: its name as the device is to call it, and its content.

    A name has 1 to 255 characters; whether the device takes it is its own affair.
    ``digest`` is the content's SHA-384: taken here unless it is known already.
    """

    name: str
    content: bytes = field(repr=False)
    digest: bytes = field(default=b"", repr=False)

    def __post_init__(self) -> None:
        if not 0 < len(self.name) <= MAX_NAME:
            raise ValueError(f"file name of {len(self.name)} characters")
        if not self.digest:
            digest = hashlib.sha384(self.content).digest()
            object.__setattr__(self, "digest", digest)


@lean
class _State:
    index: int = 0  # of the file under way
    phase: int = _ANNOUNCE
    offset: int = 0  # of the content, sent so far

    def to_item(self) -> list[object]:
        return [self.index, self.phase, self.offset]

    @classmethod
    def of(cls, item: object) -> "_State":
        index, phase, offset = cbor.array(item, 3)
        return cls(
            cbor.uint(index, 32),
            cbor.uint(phase, 8),
            cbor.uint(offset, 64),
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
            ModuleFailed: The device could not write the file, or not all of it.
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
            raise self._failed(now.index, f"the device could not write {file.name}")
        if now.phase != _WAIT:
            raise MessageRefused(f"fdo.download:done after {written} bytes")
        if written != len(file.content):
            raise self._failed(now.index, f"{file.name} has {written} bytes there")
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
        if now.index == len(self.files):
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
        detail = f"{len(self.files)} files written"
        return ModuleResult(self.name, True, detail, self._facts(now.index))

    def _failed(self, written: int, why: str) -> ModuleFailed:
        return ModuleFailed(why, self._facts(written))

    def _facts(self, written: int) -> dict[str, object]:
        facts: dict[str, object] = {
            "item": ", ".join(one.name for one in self.files)[:_MAX_ITEM],
            "files": [one.name for one in self.files[:written]],
            "bytes": sum(len(one.content) for one in self.files[:written]),
        }
        if len(self.files) == 1:
            facts["sha384"] = self.files[0].digest
        return facts


def _announce(file: FilePush) -> list[Message]:
    return [
        ("name", cbor.encode(file.name)),
        ("length", cbor.encode(len(file.content))),
        ("sha-384", cbor.encode(file.digest)),
    ]
