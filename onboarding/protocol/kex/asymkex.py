"""Key exchange by RSA encryption to the owner. Source: FDO 1.1, section 3.6.

The owner sends a random in clear, the device one that only the owner's key can read:
that one is the shared secret, the owner's goes into the key derivation. Whoever gets
hold of the owner's key later can read every run that was recorded.
"""

from dataclasses import dataclass, field
from typing import Self

from cryptography.hazmat.primitives.asymmetric import rsa

from onboarding.protocol.errors import MessageRefused, Unsupported
from onboarding.protocol.kex.shared import Draw, Shared
from onboarding.wire.message import KexSuite
from ownership_vouchers import cbor
from ownership_vouchers.algorithms import OAEP, Decrypter, VerifyKey
from ownership_vouchers.errors import DecryptError, MalformedError

RANDOM = {KexSuite.ASYMKEX2048: 32, KexSuite.ASYMKEX3072: 96}  # bytes, either side's


@dataclass(frozen=True, slots=True)
class AsymkexHalf:
    """The owner's half: the random that it sent."""

    suite: KexSuite
    random: bytes = field(repr=False)

    @classmethod
    def new(cls, suite: KexSuite, draw: Draw) -> Self:
        return cls(suite, draw.random(RANDOM[suite]))

    @property
    def sent(self) -> bytes:
        """What the device is sent: xA."""
        return self.random

    def owner_shared(self, device: bytes, decrypter: Decrypter | None) -> Shared:
        """Return what the owner comes to, given xB.

        Raises:
            MessageRefused: Not encrypted to our key, or not of the agreed length. Both
                in the same words, since the difference is of use to an attacker only.
            Unsupported: The key that was there when the run began is not any more.
        """
        if decrypter is None:
            raise Unsupported("the owner's key does not decrypt")
        try:
            secret = decrypter.decrypt(device)
        except DecryptError:
            secret = b""
        if len(secret) != RANDOM[self.suite]:
            raise MessageRefused("the device's random does not decrypt")
        return Shared(secret, self.random)

    def to_item(self) -> list[object]:
        return [self.suite.value, self.random]

    @classmethod
    def from_fields(cls, suite: KexSuite, fields: list[object]) -> Self:
        """Raises MalformedError."""
        (random,) = cbor.array(fields, 1)
        return cls(suite, cbor.bstr(random, RANDOM[suite]))


def answer_asymkex(
    suite: KexSuite, owner: bytes, owner_key: VerifyKey, draw: Draw
) -> tuple[bytes, Shared]:
    """Return xB and what the device comes to, given xA.

    Raises:
        MalformedError: xA is of another length.
        Unsupported: The owner's key is not an RSA key.
    """
    if len(owner) != RANDOM[suite]:
        raise MalformedError(f"owner's random of {len(owner)} bytes")
    if not isinstance(owner_key, rsa.RSAPublicKey):
        raise Unsupported(f"{suite} with an owner's key that is not RSA")
    secret = draw.random(RANDOM[suite])
    return owner_key.encrypt(secret, OAEP), Shared(secret, owner)
