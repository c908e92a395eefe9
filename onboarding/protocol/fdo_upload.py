"""``fdo.upload``, the owner's side: fetch a file from the device.

    owner                      device
    active, need-sha, name -->
                    <--------  length, data..., sha-384

Source: FIDO FDO ServiceInfo modules, fdo.upload.
"""

import hashlib
import hmac
from dataclasses import dataclass, field, replace
from typing import Self

from onboarding.protocol.errors import MessageRefused, ModuleFailed
from onboarding.protocol.modules import Message, ModuleContext, ModuleResult, Progress
from ownership_vouchers import cbor

NAME = "fdo.upload"
MAX_NAME = 1024
MAX_BYTES = 256 * 1024  # what came so far is part of the run's state, each message
DEFAULT_BYTES = 64 * 1024
_ASK, _RECEIVE, _END = range(3)
_DIGEST = 48


@dataclass(frozen=True, slots=True)
class _State:
    phase: int = _ASK
    length: int | None = None
    content: bytes = field(default=b"", repr=False)

    def to_item(self) -> list[object]:
        return [self.phase, self.length, self.content]

    @classmethod
    def of(cls, item: object) -> Self:
        phase, length, content = cbor.array(item, 3)
        return cls(
            cbor.uint(phase, 8),
            None if length is None else cbor.uint(length, 64),
            cbor.bstr(content, limit=MAX_BYTES),
        )


@dataclass(frozen=True, slots=True)
class UploadModule:
    """Fetches the file that the device knows as ``path``.

    Args:
        path: 1 to 1024 characters; which files it gives is the device's own affair.
        max_bytes: The longest file taken, up to 256 KiB.
        need_digest: Ask for the SHA-384 of the whole, and check it.
    """

    path: str
    max_bytes: int = DEFAULT_BYTES
    need_digest: bool = True
    required: bool = True
    name: str = NAME

    def __post_init__(self) -> None:
        if not 0 < len(self.path) <= MAX_NAME:
            raise ValueError(f"file name of {len(self.path)} characters")
        if not 0 < self.max_bytes <= MAX_BYTES:
            raise ValueError(f"an upload has 1 to {MAX_BYTES} bytes")

    def start(self, ctx: ModuleContext) -> object:
        """Return the state before anything was asked."""
        return _State().to_item()

    def receive(
        self, state: object, message: str, value: bytes, ctx: ModuleContext
    ) -> object:
        """Take ``length``, ``data`` or ``sha-384``; others are not for us.

        Raises:
            ModuleFailed: The file is too long, or not what its digest says.
            MessageRefused: A message out of turn.
        """
        now = _State.of(state)
        if message not in ("length", "data", "sha-384"):
            return state
        if now.phase != _RECEIVE:
            raise MessageRefused(f"{self.name}:{message} with no file under way")
        item = cbor.decode(value)
        match message:
            case "length":
                return self._length(now, cbor.uint(item, 64)).to_item()
            case "data":
                return self._data(now, cbor.bstr(item)).to_item()
            case _:
                return self._digest(now, cbor.bstr(item, _DIGEST)).to_item()

    def _length(self, now: _State, length: int) -> _State:
        if now.length is not None:
            raise MessageRefused(f"{self.name}:length said twice")
        self._bound(length)
        return replace(now, length=length)

    def _data(self, now: _State, chunk: bytes) -> _State:
        size = len(now.content) + len(chunk)
        self._bound(size)
        if now.length is not None and size > now.length:
            raise self._failed(f"is longer than the {now.length} bytes said")
        taken = replace(now, content=now.content + chunk)
        whole = size == now.length or (now.length is None and not chunk)
        return replace(taken, phase=_END) if whole and not self.need_digest else taken

    def _digest(self, now: _State, digest: bytes) -> _State:
        """Comes last. A file of no bytes may have come without any ``data``."""
        if now.length not in (None, len(now.content)):
            raise self._failed(f"ended after {len(now.content)} of {now.length} bytes")
        if not hmac.compare_digest(hashlib.sha384(now.content).digest(), digest):
            raise self._failed("is not what its SHA-384 says")
        return replace(now, phase=_END)

    def _bound(self, size: int) -> None:
        if size > self.max_bytes:
            raise self._failed(f"is over {self.max_bytes} bytes")

    def _failed(self, why: str) -> ModuleFailed:
        return ModuleFailed(f"{self.path} {why}", {"item": self.path})

    def produce(
        self, state: object, budget: int, ctx: ModuleContext
    ) -> tuple[object, list[Message], Progress]:
        """Ask for the file once; then listen."""
        now = _State.of(state)
        if now.phase == _END:
            return state, [], Progress.DONE
        if now.phase == _RECEIVE:
            return state, [], Progress.WAITING
        messages = [
            ("need-sha", cbor.encode(self.need_digest)),
            ("name", cbor.encode(self.path)),
        ]
        return replace(now, phase=_RECEIVE).to_item(), messages, Progress.WAITING

    def result(self, state: object) -> ModuleResult:
        """``facts`` holds ``item``, ``bytes``, ``sha384`` and the ``content``."""
        content = _State.of(state).content
        facts: dict[str, object] = {
            "item": self.path,
            "bytes": len(content),
            "sha384": hashlib.sha384(content).digest(),
            "content": content,
        }
        return ModuleResult(self.name, True, f"{self.path} came", facts)
