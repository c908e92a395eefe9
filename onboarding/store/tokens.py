"""Session tokens: state sealed into the bearer token of an unproven run.

Layout before base64url: version 1 | key id 4 | nonce 12 | expires 8 | AES-256-GCM
of the payload. Key id and nonce together are the token's id. The protocol's
name and the expiry are authenticated with it, so a token is good for one use.
"""

import hashlib
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from onboarding.store.errors import InvalidRecord, TokenRefused

TOKEN_LIMIT = 8192
"""Characters of the longest token that is looked at."""

_VERSION = b"\x01"
_ID = slice(1, 17)
_HEADER = 25
_TAG = 16


def key_id(key: bytes) -> bytes:
    """The four bytes by which a token names its key."""
    return hashlib.sha256(b"vouchgate server key id" + key).digest()[:4]


def id_of(token: str) -> bytes:
    """The id of a token that was sealed, or opened, here."""
    return urlsafe_b64decode(token[:24])[_ID]


@dataclass(frozen=True, slots=True)
class OpenedToken:
    """A token of ours: its 16-byte id, its payload, and when it expires."""

    id: bytes
    payload: bytes = field(repr=False)
    expires: int


class TokenSealer:
    """Seals under the first key, opens under any: keys rotate by prepending.

    Args:
        keys: 32 bytes each, newest first; shared by every replica.
        random: Where nonces come from; a test may fix it.
        missing: Asked for a key (by id, now) that is not in ``keys``, since
            another replica may have begun to use a newer one.

    Under one key at most 2**32 tokens may be sealed (random 96-bit nonces);
    rotation by the day keeps far below that.
    """

    def __init__(
        self,
        keys: Sequence[bytes],
        random: Callable[[int], bytes] = os.urandom,
        missing: Callable[[bytes, int], bytes | None] | None = None,
    ) -> None:
        if not keys or any(len(key) != 32 for key in keys):
            raise InvalidRecord("a sealer needs at least one key of 32 bytes")
        self._random = random
        self._missing = missing
        self._ciphers = {key_id(key): AESGCM(key) for key in keys}
        self._current = key_id(keys[0])

    def seal(self, protocol: str, payload: bytes, expires: int) -> str:
        """Return a token of URL-safe characters, good for ``protocol`` alone."""
        return urlsafe_b64encode(self.seal_bytes(protocol, payload, expires)).decode()

    def open(self, token: str, protocol: str, now: int) -> "OpenedToken":
        """Return what a token holds.

        Raises:
            TokenRefused: Too long, not ours, altered, for another protocol, or
                expired (``expires <= now``).
        """
        if len(token) > TOKEN_LIMIT:
            raise TokenRefused(f"the token has {len(token)} characters")
        try:
            sealed = urlsafe_b64decode(token.encode("ascii"))
        except (Base64Error, ValueError) as error:
            raise TokenRefused("the token is not base64url") from error
        if urlsafe_b64encode(sealed).decode() != token:
            raise TokenRefused("the token is not spelled as we spell it")
        payload = self.open_bytes(sealed, protocol, now)
        return OpenedToken(sealed[_ID], payload, _expires(sealed[:_HEADER]))

    def seal_bytes(
        self, purpose: str, payload: bytes, expires: int, subject: bytes = b""
    ) -> bytes:
        """Seal for a row instead of a token; ``subject`` ties it to that row."""
        header = (
            _VERSION + self._current + self._random(12) + expires.to_bytes(8, "big")
        )
        cipher = self._ciphers[self._current]
        return header + cipher.encrypt(
            header[5:17], payload, _bound(purpose, header, subject)
        )

    def open_bytes(
        self, sealed: bytes, purpose: str, now: int, subject: bytes = b""
    ) -> bytes:
        """Open what ``seal_bytes`` sealed.

        Raises:
            TokenRefused: As ``open``, or sealed for another subject.
        """
        if len(sealed) < _HEADER + _TAG or sealed[:1] != _VERSION:
            raise TokenRefused("the token is not one of ours")
        header = sealed[:_HEADER]
        cipher = self._cipher(header[1:5], now)
        try:
            payload = cipher.decrypt(
                header[5:17], sealed[_HEADER:], _bound(purpose, header, subject)
            )
        except InvalidTag as error:
            raise TokenRefused("the token was altered or is for another use") from error
        if _expires(header) <= now:
            raise TokenRefused("the token has expired")
        return payload

    def _cipher(self, wanted: bytes, now: int) -> AESGCM:
        known = self._ciphers.get(wanted)
        if known is not None:
            return known
        key = self._missing(wanted, now) if self._missing is not None else None
        if key is None or key_id(key) != wanted:
            raise TokenRefused("the token's key is unknown or retired")
        cipher = AESGCM(key)
        self._ciphers[wanted] = cipher
        return cipher


def _expires(header: bytes) -> int:
    return int.from_bytes(header[17:], "big")


def _bound(purpose: str, header: bytes, subject: bytes) -> bytes:
    name = purpose.encode()
    return header + len(name).to_bytes(2, "big") + name + subject
