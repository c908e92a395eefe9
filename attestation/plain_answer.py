"""What a peer answers over HTTP, as the bytes that came: nothing is unpacked.

A client asks for ``PLAIN`` answers, and ``pieces`` refuses any other unread: whoever
counts what it yields has counted what was sent, before it cost any more than that.
"""

from collections.abc import Iterator

import httpx

PLAIN = {"Accept-Encoding": "identity"}


def pieces(answer: httpx.Response) -> Iterator[bytes]:
    """Return the body of an answer as it comes, byte for byte as it was sent.

    Raises:
        httpx.DecodingError: It is compressed, which nobody asked for: a few hundred
            bytes can stand for gigabytes.
    """
    coding = answer.headers.get("content-encoding", "identity")
    if coding.strip().lower() != "identity":
        raise httpx.DecodingError(f"its answer is encoded as {coding[:40]!r}")
    yield from answer.iter_bytes()
