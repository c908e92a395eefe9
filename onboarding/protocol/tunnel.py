"""The encryption of 65 to 71. Source: FDO 1.1, sections 3.6.5 and 4.4."""

from collections.abc import Callable
from dataclasses import field

from onboarding.protocol.ciphers import CipherSuite
from ownership_vouchers.encrypt0 import Aead, Encrypt0, Keyed, encrypt0
from ownership_vouchers.mac0 import Mac0, MacSuite, mac0
from ownership_vouchers.values import lean

MARK_SIZE = 6  # bytes
_COUNTER = 4  # bytes at the end of an IV: which message, or which block of one
_AMPLE = 12  # random bytes that no two messages of a run will share


@lean
class Tunnel:
    """The session key, one for both directions."""

    cipher: CipherSuite
    key: bytes = field(repr=False)
    _keyed: Keyed | None = field(default=None, init=False, repr=False, compare=False)

    def seal(
        self, plaintext: bytes, random: Callable[[int], bytes], place: int
    ) -> bytes:
        """Encrypt one message body under a fresh IV.

        Args:
            place: The message's own in the run: 65 has 0, 66 has 1, the first 68 has 3.
                The two sides take turns, so none of theirs is one of ours.
        """
        iv = self._iv(random, place)
        if isinstance(self.cipher, MacSuite):
            return mac0(self.cipher, self.key, iv, plaintext).encode()
        return encrypt0(
            self.cipher, self._under_key(self.cipher), iv, plaintext
        ).encode()

    def _iv(self, random: Callable[[int], bytes], place: int) -> bytes:
        """Return an IV that no other message of the run has.

        Chance alone is enough where an IV is long. That of CCM is not, so it counts
        messages; that of CTR counts the blocks of its message, as FDO has it.
        """
        size = self.cipher.iv_size
        if isinstance(self.cipher, MacSuite):
            if self.cipher.chained:
                return random(size)
            return random(_AMPLE) + bytes(_COUNTER)
        if size >= _AMPLE:
            return random(size)
        return random(size - _COUNTER) + place.to_bytes(_COUNTER, "big")

    def open(self, body: bytes) -> bytes:
        """Return the plaintext.

        Raises:
            MalformedError, DecryptError: Not sealed by our peer in this run.
        """
        cipher = self.cipher
        if isinstance(cipher, MacSuite):
            return Mac0.from_cbor(body).open(cipher, self.key)
        message = Encrypt0.from_cbor(body, cipher.iv_size)
        return message.open(cipher, self._under_key(cipher))

    def _under_key(self, cipher: Aead) -> Keyed:
        """Made once: a run has a dozen messages."""
        keyed = self._keyed
        if keyed is None:
            keyed = cipher.of(self.key)
            object.__setattr__(self, "_keyed", keyed)
        return keyed


def mark_of(body: bytes) -> bytes:
    """Name a sealed message by the end of its tag, which no copy of it can change.

    Nothing inside the tunnel says which message is which: whoever is on the way could
    have one taken twice that he cannot read.
    """
    return body[-MARK_SIZE:]
