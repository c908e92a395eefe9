"""``fdo.wget`` on the device: a file to fetch from elsewhere, if that is permitted.

Source: FIDO FDO ServiceInfo modules, fdo.wget.
"""

from collections.abc import Sequence
from pathlib import Path
from posixpath import basename, normpath
from urllib.parse import SplitResult, urlsplit

import httpx

from onboarding.device.errors import ApplyError
from onboarding.device.modules.journal import Journal
from onboarding.device.modules.landing import Landing
from onboarding.http_client import pieces, within
from onboarding.protocol.modules import Message
from ownership_vouchers import cbor

MAX_URL = 2048
MAX_FILE = 64 * 1024 * 1024
SECONDS = 300.0
_PORTS = {"http": 80, "https": 443}


class WgetModule:
    """Fetches into ``directory`` from below one of the URLs in ``permitted``.

    http and https only, no redirect, no proxy from outside: ``client`` sees to the
    last two. What goes wrong is told to the owner in ``error``.
    """

    name = "fdo.wget"

    def __init__(
        self,
        directory: Path,
        permitted: Sequence[str],
        client: httpx.Client,
        limit: int = MAX_FILE,
        seconds: float = SECONDS,
        journal: Journal | None = None,
    ) -> None:
        self._directory = directory
        self._permitted = tuple(permitted)
        self._client = client
        self._limit = limit
        self._seconds = seconds
        self._journal = journal or Journal()
        self._received: list[str] = []
        self._reset()

    @property
    def received(self) -> tuple[str, ...]:
        """Names of the files that were fetched, in order."""
        return tuple(self._received)

    def _reset(self) -> None:
        self._digest: bytes | None = None
        self._name = ""

    def activated(self) -> Sequence[Message]:
        """Wait for a URL."""
        self._reset()
        return []

    def receive(self, message: str, value: bytes) -> Sequence[Message]:
        """Take one message; ``url`` is answered when the file is here, or lost.

        Raises:
            MalformedError: The value is not of the message's type.
        """
        item = cbor.decode(value)
        match message:
            case "sha-384":
                self._digest = cbor.bstr(item, 48)
            case "name":
                self._name = cbor.tstr(item)
            case "url":
                return self._fetch(cbor.tstr(item, limit=MAX_URL))
        return []

    def _fetch(self, url: str) -> Sequence[Message]:
        name, digest = self._name, self._digest
        self._reset()
        try:
            name = name or basename(urlsplit(url).path)
            size = self._land(url, name, digest)
        except (ApplyError, httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            self._journal.failed(self.name, f"{url!r}: {error}")
            return [("error", cbor.encode(str(error)[:200] or type(error).__name__))]
        self._received.append(name)
        self._journal.done(self.name, f"{name}, {size} bytes from {url}")
        return [("done", cbor.encode(size))]

    def _land(self, url: str, name: str, digest: bytes | None) -> int:
        if not permits(self._permitted, url):
            raise ApplyError("this URL is not among what may be fetched")
        landing = Landing.open(self._directory, name, self._limit)
        try:
            self._stream(url, landing)
            landing.settle(digest)
        except BaseException:
            landing.abandon()
            raise
        return landing.size

    def _stream(self, url: str, landing: Landing) -> None:
        with within(self._seconds), self._client.stream("GET", url) as answer:
            if answer.status_code != httpx.codes.OK:
                raise ApplyError(f"the server answered with HTTP {answer.status_code}")
            for chunk in pieces(answer):
                landing.write(chunk)
            length = answer.headers.get("content-length", str(landing.size))
            if length != str(landing.size):
                raise ApplyError(f"{landing.size} of {length} bytes came")


def permits(permitted: Sequence[str], url: str) -> bool:
    """Tell whether ``url`` lies below one of ``permitted``.

    Scheme, host and port must be the same, and the path the same or below it.
    Raises ValueError for what is no URL.
    """
    where = urlsplit(url)
    if where.scheme not in _PORTS or where.username or where.password:
        return False
    path = where.path or "/"
    if normpath(path) != (path.rstrip("/") or "/") or "%" in path or "\\" in path:
        return False  # whatever server or proxy makes of that
    for one in permitted:
        base = urlsplit(one)
        below = base.path.rstrip("/") + "/"
        if _origin(base) == _origin(where) and (path + "/").startswith(below):
            return True
    return False


def _origin(url: SplitResult) -> tuple[str, str | None, int | None]:
    return url.scheme, url.hostname, url.port or _PORTS.get(url.scheme)
