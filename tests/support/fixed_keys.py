"""Keys that sign the same bytes the same way each time, and draws that are the same.

ECDSA by RFC 6979, RSA with PSS under a salt that follows from what is signed. TEST
KEYS, all of them.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import load_der_private_key

from onboarding.protocol.kex.group import GROUPS, DhKey, DhParameters, Group
from ownership_vouchers.algorithms import Alg, SigningKey, SoftSigner
from tests.support.profiles import P256, P384, PSS3072_DH, RSA3072, RSA_DH, Profile
from tests.support.transcripts import VECTORS

OWN = Path(__file__).parents[1] / "vectors" / "own"


@dataclass(frozen=True, slots=True)
class Fixed:
    """The names of what a kind's runs are made of.

    ``keys`` is how the names of its keys begin, in the ``keys.json`` of
    tests/vectors/fdo and of tests/vectors/own; ``base`` and ``other`` are vouchers
    among those of tests/vectors/fdo.
    """

    profile: Profile
    keys: str
    base: str
    other: str

    def key(self, whose: str) -> str:
        return f"{self.keys}-{whose}"


KINDS: Mapping[str, Fixed] = {
    one.profile.kind: one
    for one in (
        Fixed(P256, "EC256", "SECP256R1-x509-1", "SECP256R1-x509-3"),
        Fixed(P384, "EC384", "SECP384R1-cosekey-1", "SECP384R1-x509-3"),
        Fixed(RSA_DH, "RSA2048", "RSA2048RESTR-x509-1", "RSA2048RESTR-x5chain-3"),
        Fixed(RSA3072, "RSA3072", "RSAPKCS-x509-1", "RSAPSS-x509-1"),
        Fixed(PSS3072_DH, "RSA3072", "RSAPSS-x509-1", "RSAPKCS-x509-1"),
    )
}


class Steady:
    """A source of randomness that draws the same for the same seed."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._count = 0

    def __call__(self, size: int) -> bytes:
        self._count += 1
        return hashlib.shake_256(f"{self._seed} {self._count}".encode()).digest(size)

    def key(self, curve: ec.EllipticCurve) -> ec.EllipticCurvePrivateKey:
        """Draw an ephemeral key; the top bit is left out, to stay in the group."""
        scalar = int.from_bytes(self(curve.key_size // 8), "big")
        return ec.derive_private_key(scalar >> 1 or 1, curve)

    def dh_key(self, parameters: DhParameters) -> DhKey:
        """Draw an ephemeral key of a finite field."""
        (group,) = (one for one in GROUPS.values() if one.parameters is parameters)
        return _dh_key(group, int.from_bytes(self(32), "big"))


@cache
def _dh_key(group: Group, exponent: int) -> DhKey:
    return group.private_key(exponent, pow(2, exponent, group.prime))


class SteadySigner(SoftSigner):
    """Signs the same bytes with the same signature each time, and only once."""

    __slots__ = ("_signed",)

    def __init__(self, key: SigningKey, *, pss: bool = False) -> None:
        super().__init__(key, pss=pss)
        self._signed: dict[bytes, bytes] = {}

    def sign(self, data: bytes) -> bytes:
        if data not in self._signed:
            self._signed[data] = self._sign(data)
        return self._signed[data]

    def _sign(self, data: bytes) -> bytes:
        key = self.private_key
        if isinstance(key, ec.EllipticCurvePrivateKey):
            digest = hashes.SHA256() if self.alg is Alg.ES256 else hashes.SHA384()
            how = ec.ECDSA(digest, deterministic_signing=True)
            size = key.key_size // 8
            r, s = decode_dss_signature(key.sign(data, how))
            return r.to_bytes(size, "big") + s.to_bytes(size, "big")
        if self.alg is Alg.PS384:
            return _with_pss(key, data, "sha384")
        return super().sign(data)


def _with_pss(key: rsa.RSAPrivateKey, data: bytes, name: str) -> bytes:
    """Sign as PSS does, under a salt that is no chance. Source: RFC 8017, 9.1.1."""
    digest = hashlib.new(name, data).digest()
    salt = hashlib.new(name, b"salt" + digest).digest()
    hashed = hashlib.new(name, bytes(8) + digest + salt).digest()
    size = key.key_size // 8
    block = bytes(size - 2 * len(hashed) - 2) + b"\1" + salt
    mask = b"".join(
        hashlib.new(name, hashed + count.to_bytes(4, "big")).digest()
        for count in range(size // len(hashed) + 1)
    )
    masked = bytearray(one ^ other for one, other in zip(block, mask, strict=False))
    masked[0] &= 0x7F  # the modulus begins with a one, the message must not
    number = int.from_bytes(bytes(masked) + hashed + b"\xbc", "big")
    numbers = key.private_numbers()
    at_p = pow(number, numbers.dmp1, numbers.p)
    at_q = pow(number, numbers.dmq1, numbers.q)
    lift = (at_p - at_q) * numbers.iqmp % numbers.p
    return (at_q + lift * numbers.q).to_bytes(size, "big")


@cache
def _given() -> Mapping[str, Mapping[str, str]]:
    found: dict[str, Mapping[str, str]] = {}
    for folder in (VECTORS, OWN):
        found |= json.loads((folder / "keys.json").read_text())["keys"]
    return found


@cache
def signer(kind: str, whose: str) -> SteadySigner:
    """Return whose key it is among those of that kind: mfg, owner1, device, …"""
    der = bytes.fromhex(_given()[KINDS[kind].key(whose)]["private_pkcs8_der"])
    key = load_der_private_key(der, None, unsafe_skip_rsa_key_validation=True)
    assert isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey)
    return SteadySigner(key, pss=kind.endswith("PSS"))
