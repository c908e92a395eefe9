"""One digest over a whole run: what was said, in which order, by whom.

It ties what an owner keeps of a run to what went over the wire, for whoever has
recorded that. Messages that leave the state as it is (62 and 63) are not in it: what
they carry is the voucher.
"""

import hashlib

DIGEST_SIZE = 32
START = bytes(DIGEST_SIZE)
"""Before the first message."""


def extend(before: bytes, request: bytes, reply: bytes) -> bytes:
    """Return the digest after one exchange: SHA-256, 32 bytes.

    Args:
        before: The digest until then, or START.
        request: The body as it was received, encrypted if it was.
        reply: The body as it is sent.
    """
    length = len(request).to_bytes(4, "big")
    return hashlib.sha256(before + length + request + reply).digest()
