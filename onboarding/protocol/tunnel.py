"""The encryption of 65 to 71. Source: FDO 1.1, sections 3.6.5 and 4.4."""

from collections.abc import Callable
from dataclasses import dataclass, field

from ownership_vouchers.cose import IV_SIZE, Aead, Encrypt0, encrypt0

_MARK = 6  # bytes


@dataclass(frozen=True, slots=True)
class Tunnel:
    """The session key, one for both directions."""

    cipher: Aead
    key: bytes = field(repr=False)

    def seal(self, plaintext: bytes, random: Callable[[int], bytes]) -> bytes:
        """Encrypt one message body under a fresh random IV."""
        return encrypt0(self.cipher, self.key, random(IV_SIZE), plaintext).encode()

    def open(self, body: bytes) -> bytes:
        """Return the plaintext.

        Raises:
            MalformedError, DecryptError: Not sealed by our peer in this run.
        """
        return Encrypt0.from_cbor(body).open(self.cipher, self.key)


def mark_of(body: bytes) -> bytes:
    """Name a sealed message by the end of its tag, which no copy of it can change.

    Nothing inside the tunnel says which message is which: whoever is on the way could
    have one taken twice that he cannot read.
    """
    return body[-_MARK:]
