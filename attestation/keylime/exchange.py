"""One call to Keylime: as it is asked, and what is said where it has no good answer."""

import json
from collections.abc import Mapping
from functools import lru_cache

import httpx

from attestation.keylime.errors import KeylimeError, KeylimeUnavailable
from attestation.keylime.http import CONNECT_SECONDS
from attestation.plain_answer import PLAIN, pieces

URLS = 256  # that are kept as read


def request(
    method: str, url: str, body: Mapping[str, object] | None, seconds: float
) -> httpx.Request:
    """A call whose answer is waited for so many seconds at a time."""
    waits = {"connect": CONNECT_SECONDS, "read": seconds}
    sent = b"" if body is None else json.dumps(body, separators=(",", ":")).encode()
    headers = [("Host", _url(url).netloc.decode()), *PLAIN.items()]
    if sent:
        headers.append(("Content-Type", "application/json"))
    if method != "GET":
        headers.append(("Content-Length", str(len(sent))))
    return httpx.Request(
        method,
        _url(url),
        headers=headers,
        stream=httpx.ByteStream(sent),
        extensions={"timeout": waits},
    )


@lru_cache(URLS)
def _url(text: str) -> httpx.URL:
    """To read one takes longer than to write a request to it."""
    return httpx.URL(text)


def bounded(what: str, response: httpx.Response, limit: int) -> bytes:
    """Return the whole answer.

    Raises:
        KeylimeError: It has more than ``limit`` octets.
        httpx.HTTPError: It breaks off, or is not plain.
    """
    chunks = bytearray()
    for chunk in pieces(response):
        chunks += chunk
        if len(chunks) > limit:
            raise too_long(what, limit)
    return bytes(chunks)


def too_long(what: str, limit: int) -> KeylimeError:
    """The error that says how long an answer may be."""
    return KeylimeError(f"{what}: the answer is longer than {limit} octets")


def unavailable(what: str, error: httpx.HTTPError) -> KeylimeUnavailable:
    """The error of a call that had no answer."""
    return KeylimeUnavailable(f"{what}: {type(error).__name__}: {error}")


def refused(what: str, status: int, answer: bytes = b"") -> KeylimeError:
    """The error of an answer of that status; 500 and above may be another next time."""
    words = answer[:300].decode(errors="replace")
    kind = KeylimeUnavailable if status >= 500 else KeylimeError
    return kind(f"{what}: status {status}: {words}")
