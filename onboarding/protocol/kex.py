"""ECDH key exchange of TO2. Source: FDO 1.1, section 3.6.

Each side sends its point and a random; the shared secret is the x-coordinate,
then the device's random, then the owner's. Coordinates are sent at full length
and taken shorter, for peers that strip leading zeros.
"""

from dataclasses import dataclass, field
from typing import Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec

from onboarding.protocol.errors import MessageRefused, Unsupported
from onboarding.protocol.kdf import derive
from onboarding.wire.message import KexSuite
from ownership_vouchers import cbor
from ownership_vouchers.cose import Aead
from ownership_vouchers.errors import MalformedError
from ownership_vouchers.keys import KeyType, PublicKey


@dataclass(frozen=True, slots=True)
class Curve:
    """The numbers of one ECDH suite; sizes in bytes."""

    curve: ec.EllipticCurve
    size: int
    random: int


CURVES = {
    KexSuite.ECDH256: Curve(ec.SECP256R1(), 32, 16),
    KexSuite.ECDH384: Curve(ec.SECP384R1(), 48, 48),
}
_FOR_OWNER = {
    KeyType.SECP256R1: KexSuite.ECDH256,
    KeyType.SECP384R1: KexSuite.ECDH384,
}


def suite_for(name: str, owner_key: PublicKey) -> KexSuite:
    """Return the suite ``name`` stands for, if the owner's key goes with it.

    Raises:
        Unsupported: Another suite, or one of a key of another kind.
    """
    suite = _FOR_OWNER.get(owner_key.type)
    if suite is None or suite != name:
        raise Unsupported(f"key exchange {name!r} with a {owner_key.type.name} owner")
    return suite


def cipher_for(number: int) -> Aead:
    """Return the cipher suite of that number. Raises Unsupported."""
    try:
        return Aead(number)
    except ValueError as error:
        raise Unsupported(f"cipher suite {number}") from error


@dataclass(frozen=True, slots=True)
class KexParameter:
    """ECDHparam: a point and a random, each with a 16-bit length before it."""

    x: bytes
    y: bytes
    random: bytes

    @classmethod
    def decode(cls, data: bytes, suite: KexSuite) -> Self:
        """Raises MalformedError on any other shape."""
        size = CURVES[suite].size
        x, rest = _take(data)
        y, rest = _take(rest)
        random, rest = _take(rest)
        if rest or not (0 < len(x) <= size and 0 < len(y) <= size):
            raise MalformedError("ECDH parameter of wrong lengths")
        if len(random) != CURVES[suite].random:
            raise MalformedError("ECDH random of wrong length")
        return cls(x.rjust(size, b"\0"), y.rjust(size, b"\0"), random)

    def encode(self) -> bytes:
        parts = (self.x, self.y, self.random)
        return b"".join(len(one).to_bytes(2, "big") + one for one in parts)


def _take(data: bytes) -> tuple[bytes, bytes]:
    end = 2 + int.from_bytes(data[:2], "big")
    if len(data) < max(end, 2):
        raise MalformedError("ECDH parameter is cut short")
    return data[2:end], data[end:]


@dataclass(frozen=True, slots=True)
class KexHalf:
    """Our half of an exchange; ``parameter`` is what the peer is sent (xA or xB).

    Kept as numbers, since putting a key together from them is cheaper than
    finding its public point again.
    """

    suite: KexSuite
    scalar: int = field(repr=False)
    parameter: KexParameter = field(repr=False)

    @classmethod
    def of(
        cls, suite: KexSuite, private: ec.EllipticCurvePrivateKey, random: bytes
    ) -> Self:
        """Take a fresh private key and the suite's number of random bytes."""
        numbers = private.private_numbers()
        point, size = numbers.public_numbers, CURVES[suite].size
        x, y = point.x.to_bytes(size, "big"), point.y.to_bytes(size, "big")
        return cls(suite, numbers.private_value, KexParameter(x, y, random))

    def owner_secret(self, device: bytes) -> bytes:
        """Return ShSe on the owner's side, given xB."""
        peer = KexParameter.decode(device, self.suite)
        return self._agree(peer) + peer.random + self.parameter.random

    def device_secret(self, owner: bytes) -> bytes:
        """Return ShSe on the device's side, given xA."""
        peer = KexParameter.decode(owner, self.suite)
        return self._agree(peer) + self.parameter.random + peer.random

    def _agree(self, peer: KexParameter) -> bytes:
        curve = CURVES[self.suite].curve
        try:
            theirs = ec.EllipticCurvePublicKey.from_encoded_point(
                curve, b"\x04" + peer.x + peer.y
            )
            return self._private(curve).exchange(ec.ECDH(), theirs)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise MessageRefused("the point is not on its curve") from error

    def _private(self, curve: ec.EllipticCurve) -> ec.EllipticCurvePrivateKey:
        x, y = (
            int.from_bytes(one, "big") for one in (self.parameter.x, self.parameter.y)
        )
        point = ec.EllipticCurvePublicNumbers(x, y, curve)
        return ec.EllipticCurvePrivateNumbers(self.scalar, point).private_key()

    def to_item(self) -> list[object]:
        size = CURVES[self.suite].size
        scalar = self.scalar.to_bytes(size, "big")
        return [self.suite.value, scalar, self.parameter.encode()]

    @classmethod
    def from_item(cls, item: object) -> Self:
        """Raises MalformedError."""
        name, scalar, parameter = cbor.array(item, 3)
        if name not in tuple(KexSuite):
            raise MalformedError("unknown key exchange suite")
        suite = KexSuite(cbor.tstr(name))
        return cls(
            suite,
            int.from_bytes(cbor.bstr(scalar, CURVES[suite].size), "big"),
            KexParameter.decode(cbor.bstr(parameter), suite),
        )


def session_key(cipher: Aead, shared_secret: bytes) -> bytes:
    """Return SEVK, 16 or 32 bytes."""
    return derive(shared_secret, b"", 8 * cipher.key_size)
