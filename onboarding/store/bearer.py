"""Random secrets that are shown once, and of which only the SHA-256 is kept.

A hash without salt or stretching is enough: a secret is 32 random bytes, so there
is nothing to guess, and a request costs one hash and one row.
"""

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass, field

TOKEN_LIMIT = 128
NO_DIGEST = bytes(32)


@dataclass(frozen=True, slots=True)
class Minted:
    """``token`` is what its holder keeps: ``prefix_id_secret``."""

    id: str
    digest: bytes
    token: str = field(repr=False)


def mint(prefix: str, random: Callable[[int], bytes]) -> Minted:
    """Draw a new secret with an id to find it by."""
    name = random(8).hex()
    secret = urlsafe_b64encode(random(32)).rstrip(b"=").decode()
    return Minted(name, _digest(secret), f"{prefix}_{name}_{secret}")


def taken_apart(prefix: str, token: str) -> tuple[str, bytes] | None:
    """Return a token's id and the digest of its secret; None if it is none."""
    kind, _, rest = token.partition("_")
    name, _, secret = rest.partition("_")
    if kind != prefix or not secret or len(token) > TOKEN_LIMIT:
        return None
    return name, _digest(secret)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
