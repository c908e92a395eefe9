"""Elliptic-curve Diffie-Hellman of TO2. Source: FDO 1.1, section 3.6.

Each side sends its point and a random; the shared secret is the x-coordinate,
then the device's random, then the owner's. Coordinates are sent at full length
and taken shorter, for peers that strip leading zeros.
"""

from dataclasses import dataclass, field
from typing import Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec

from onboarding.protocol.errors import MessageRefused
from onboarding.protocol.kex.shared import Draw, Shared
from onboarding.wire.message import KexSuite
from ownership_vouchers import cbor
from ownership_vouchers.algorithms import Decrypter
from ownership_vouchers.errors import MalformedError


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


@dataclass(frozen=True, slots=True)
class EcdhParameter:
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
class EcdhHalf:
    """Our half of an exchange; ``parameter`` is what the peer is sent (xA or xB).

    Stored as numbers, since putting a key together from them is cheaper than
    finding its public point again. ``key`` is there where the key was made.
    """

    suite: KexSuite
    scalar: int = field(repr=False)
    parameter: EcdhParameter = field(repr=False)
    key: ec.EllipticCurvePrivateKey | None = field(
        default=None, repr=False, compare=False
    )

    @classmethod
    def of(
        cls, suite: KexSuite, private: ec.EllipticCurvePrivateKey, random: bytes
    ) -> Self:
        """Take a fresh private key and the suite's number of random bytes."""
        numbers = private.private_numbers()
        point, size = numbers.public_numbers, CURVES[suite].size
        x, y = point.x.to_bytes(size, "big"), point.y.to_bytes(size, "big")
        return cls(suite, numbers.private_value, EcdhParameter(x, y, random), private)

    @classmethod
    def new(cls, suite: KexSuite, draw: Draw) -> Self:
        curve = CURVES[suite]
        private = draw.new_ec_key(curve.curve)
        return cls.of(suite, private, draw.random(curve.random))

    @property
    def sent(self) -> bytes:
        """What the peer is sent: xA or xB."""
        return self.parameter.encode()

    def owner_shared(
        self, device: bytes, _decrypter: Decrypter | None = None
    ) -> Shared:
        """Return what the owner comes to, given xB."""
        peer = EcdhParameter.decode(device, self.suite)
        return Shared(self._agree(peer) + peer.random + self.parameter.random)

    def device_shared(self, owner: bytes) -> Shared:
        """Return what the device comes to, given xA."""
        peer = EcdhParameter.decode(owner, self.suite)
        return Shared(self._agree(peer) + self.parameter.random + peer.random)

    def _agree(self, peer: EcdhParameter) -> bytes:
        curve = CURVES[self.suite].curve
        try:
            theirs = ec.EllipticCurvePublicKey.from_encoded_point(
                curve, b"\x04" + peer.x + peer.y
            )
            return self._private(curve).exchange(ec.ECDH(), theirs)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise MessageRefused("the point is not on its curve") from error

    def _private(self, curve: ec.EllipticCurve) -> ec.EllipticCurvePrivateKey:
        if self.key is not None:
            return self.key
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
    def from_fields(cls, suite: KexSuite, fields: list[object]) -> Self:
        """Raises MalformedError."""
        scalar, parameter = cbor.array(fields, 2)
        return cls(
            suite,
            int.from_bytes(cbor.bstr(scalar, CURVES[suite].size), "big"),
            EcdhParameter.decode(cbor.bstr(parameter), suite),
        )
