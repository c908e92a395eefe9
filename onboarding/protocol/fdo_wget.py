"""``fdo.wget``, the owner's side: have the device fetch a file from elsewhere.

    owner                      device
    active, sha-384, name, url -->
                    <--------  done, or error

Source: FIDO FDO ServiceInfo modules, fdo.wget.
"""

from dataclasses import dataclass
from posixpath import basename
from urllib.parse import urlsplit

from onboarding.protocol.errors import MessageRefused, ModuleFailed
from onboarding.protocol.modules import Message, ModuleContext, ModuleResult, Progress
from ownership_vouchers import cbor

NAME = "fdo.wget"
MAX_URL = 2048  # characters
MAX_NAME = 255
_DIGEST = 48
_MAX_ERROR = 500
_ASK, _FETCH, _END = range(3)


@dataclass(frozen=True, slots=True)
class WgetModule:
    """Has the device fetch ``url`` and keep it as ``path``.

    Args:
        url: http or https, with a host; at most 2048 characters.
        path: 1 to 255 characters; empty takes the last segment of the URL.
        digest: SHA-384 that the device must find, 48 bytes.
        length: Bytes that the device must find.
    """

    url: str
    path: str = ""
    digest: bytes | None = None
    length: int | None = None
    required: bool = True
    name: str = NAME

    def __post_init__(self) -> None:
        where = urlsplit(self.url)
        if where.scheme not in ("http", "https") or not where.hostname:
            raise ValueError("the URL is not http or https, or has no host")
        if len(self.url) > MAX_URL:
            raise ValueError(f"URL of {len(self.url)} characters")
        if not 0 < len(self.kept_as) <= MAX_NAME:
            raise ValueError("the URL ends in no file name: give one")
        if self.digest is not None and len(self.digest) != _DIGEST:
            raise ValueError("a SHA-384 has 48 bytes")

    @property
    def kept_as(self) -> str:
        """The name the device is given: some insist on one."""
        return self.path or basename(urlsplit(self.url).path)

    def start(self, ctx: ModuleContext) -> object:
        """Return the state before anything was asked."""
        return [_ASK, 0]

    def receive(
        self, state: object, message: str, value: bytes, ctx: ModuleContext
    ) -> object:
        """Take ``done`` or ``error``; others are not for us.

        Raises:
            ModuleFailed: The device could not fetch it, or found another length.
            MessageRefused: An answer to nothing that was asked.
        """
        phase, _ = cbor.array(state, 2)
        if message not in ("done", "error"):
            return state
        if phase != _FETCH:
            raise MessageRefused(f"{self.name}:{message} with no file under way")
        item = cbor.decode(value)
        if message == "error":
            why = cbor.tstr(item)[:_MAX_ERROR]
            raise self._failed(f"the device could not fetch {self.url}: {why!r}")
        size = cbor.integer(item)
        if size < 0 or self.length not in (None, size):
            raise self._failed(f"the device found {size} bytes at {self.url}")
        return [_END, size]

    def _failed(self, why: str) -> ModuleFailed:
        return ModuleFailed(why, {"item": self.kept_as, "url": self.url})

    def produce(
        self, state: object, budget: int, ctx: ModuleContext
    ) -> tuple[object, list[Message], Progress]:
        """Give the order once, the URL last: it begins the transfer."""
        phase, size = cbor.array(state, 2)
        if phase == _END:
            return state, [], Progress.DONE
        if phase == _FETCH:
            return state, [], Progress.WAITING
        messages: list[Message] = []
        if self.digest is not None:
            messages.append(("sha-384", cbor.encode(self.digest)))
        messages.append(("name", cbor.encode(self.kept_as)))
        messages.append(("url", cbor.encode(self.url)))
        return [_FETCH, size], messages, Progress.WAITING

    def result(self, state: object) -> ModuleResult:
        """``facts``: ``item``, the ``url``, ``bytes``, and ``sha384`` if it was set."""
        _, size = cbor.array(state, 2)
        facts: dict[str, object] = {
            "item": self.kept_as,
            "url": self.url,
            "bytes": cbor.uint(size, 64),
        }
        if self.digest is not None:
            facts["sha384"] = self.digest
        return ModuleResult(self.name, True, f"{self.kept_as} was fetched", facts)
