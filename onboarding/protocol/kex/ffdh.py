"""Finite-field Diffie-Hellman of TO2. Source: FDO 1.1, section 3.6.

Each side sends its public value; the shared secret is their common power, at the full
length of the prime. Values are sent at full length, too, and taken with leading zeros
or without.
"""

from dataclasses import dataclass, field
from typing import Self

from onboarding.protocol.errors import MessageRefused
from onboarding.protocol.kex.group import GROUPS, DhKey, Group
from onboarding.protocol.kex.shared import Draw, Shared
from onboarding.wire.message import KexSuite
from ownership_vouchers import cbor
from ownership_vouchers.algorithms import Decrypter
from ownership_vouchers.errors import MalformedError


@dataclass(frozen=True, slots=True)
class FfdhHalf:
    """Our half of an exchange, kept as numbers: ``public`` is the base's power."""

    suite: KexSuite
    exponent: int = field(repr=False)
    public: int = field(repr=False)

    @classmethod
    def of(cls, suite: KexSuite, private: DhKey) -> Self:
        """Take a fresh private key."""
        numbers = private.private_numbers()
        return cls(suite, numbers.x, numbers.public_numbers.y)

    @classmethod
    def new(cls, suite: KexSuite, draw: Draw) -> Self:
        return cls.of(suite, draw.new_dh_key(GROUPS[suite].parameters))

    @property
    def sent(self) -> bytes:
        """What the peer is sent: xA or xB."""
        return self.public.to_bytes(GROUPS[self.suite].size, "big")

    def owner_shared(self, device: bytes, _decrypter: Decrypter | None) -> Shared:
        """Return what the owner comes to, given xB."""
        return self.shared(device)

    def shared(self, peer: bytes) -> Shared:
        """Return what either side comes to, given what the other sent.

        Raises:
            MalformedError: Not a number of that size.
            MessageRefused: A number that would give the secret away.
        """
        group = GROUPS[self.suite]
        theirs = group.public_key(_value(peer, group))
        ours = group.private_key(self.exponent, self.public)
        return Shared(ours.exchange(theirs).rjust(group.size, b"\0"))

    def to_item(self) -> list[object]:
        size = GROUPS[self.suite].size
        numbers = (self.exponent, self.public)
        return [self.suite.value, *(one.to_bytes(size, "big") for one in numbers)]

    @classmethod
    def from_fields(cls, suite: KexSuite, fields: list[object]) -> Self:
        """Raises MalformedError."""
        size = GROUPS[suite].size
        exponent, public = (
            int.from_bytes(cbor.bstr(one, size), "big") for one in cbor.array(fields, 2)
        )
        return cls(suite, exponent, public)


def _value(sent: bytes, group: Group) -> int:
    """Read a public value; one peer puts a zero byte before a high first bit."""
    if not 0 < len(sent) <= group.size + 1:
        raise MalformedError(f"public value of {len(sent)} bytes")
    value = int.from_bytes(sent, "big")
    if not 2 <= value <= group.prime - 2:
        raise MessageRefused("the public value is out of range")
    return value
