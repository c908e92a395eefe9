"""A good voucher and the tools to bend it, one part at a time."""

from copy import copy
from dataclasses import replace
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from ownership_vouchers import cbor
from ownership_vouchers.algorithms import Alg, SoftSigner
from ownership_vouchers.keys import KeyEncoding, PublicKey, spki
from ownership_vouchers.types import Hash, HashType
from tests.support.forge import CHAIN_HASH, TEST_GUID, Forge, ForgedEntry
from tests.support.supply_chain import Party, SupplyChain, certificate, new_key


class Workshop:
    """A device made by ``chain``, sold to a dealer and to an owner.

    Args:
        kind: Of every key of theirs; one of ``supply_chain.KINDS``.
    """

    def __init__(self, kind: str = "P-256") -> None:
        self.kind = kind
        self.chain = _chain(kind).make_device(guid=TEST_GUID)
        self.dealer = _party("dealer", kind)
        self.owner = _party("owner", kind)

    @property
    def key_type(self) -> int:
        """The pkType of every owner's key."""
        return int(self.chain.manufacturer.public_key.type)

    @property
    def other_hash(self) -> HashType:
        """The hash that this voucher does not use."""
        mine = self.chain.hash_type
        return HashType.SHA256 if mine is HashType.SHA384 else HashType.SHA384

    def zeros(self, kind: HashType | None = None) -> bytes:
        """A hash of nothing, of the kind that the voucher uses."""
        kind = kind or self.chain.hash_type
        return cbor.encode([int(kind), bytes(kind.size)])

    def stranger(self, *, pss: bool | None = None) -> SoftSigner:
        """Somebody who never had the device; ``pss`` decides how an RSA key signs."""
        padded = self.kind.endswith("PSS") if pss is None else pss
        return SoftSigner(new_key(self.kind, "stranger"), pss=padded)

    def bend(self, **changed: Any) -> bytes:
        return Forge(self.chain, (self.dealer, self.owner), **changed).encode()

    def header(self, position: int, item: object) -> bytes:
        """Replace one item of the header."""
        return self.bend(header={position: cbor.encode(item)})

    def first(self, **changed: Any) -> bytes:
        """Bend the first entry."""
        return self.bend(entries={0: ForgedEntry(**changed)})

    def last(self, **changed: Any) -> bytes:
        """Bend the last entry."""
        return self.bend(entries={1: ForgedEntry(**changed)})

    def last_key(self, kind: int, encoding: int, body: object) -> bytes:
        return self.last(key=cbor.encode([kind, encoding, body]))

    def certified(self, *chain: Any) -> bytes:
        """Take another device chain, with the hash that goes with it."""
        der = [one.public_bytes(Encoding.DER) for one in chain]
        digest = Hash.of(self.chain.hash_type, *der).to_item()
        return self.bend(
            certificates=cbor.encode(der), header={CHAIN_HASH: cbor.encode(digest)}
        )

    def device_issued_by_a_device(self) -> bytes:
        key = new_key(self.kind, "another")
        above = self.chain.device_ca_key
        middle = certificate("another", key, "device ca", above, ca=False)
        leaf = certificate("device", self.chain.device_key, "another", key, ca=False)
        return self.certified(leaf, middle, self.chain.device_root)

    def device_under_a_short_path(self) -> bytes:
        """A root that allows no authority below itself, and one below it."""
        root_key, key = (new_key(self.kind, name) for name in ("root", "middle"))
        root = certificate("root", root_key, "root", root_key, ca=True, path_length=0)
        middle = certificate("middle", key, "root", root_key, ca=True)
        leaf = certificate("device", self.chain.device_key, "middle", key, ca=False)
        return self.certified(leaf, middle, root)

    def device_of_another_authority(self) -> bytes:
        """The issuer's name is right, the signature is not."""
        other, device = new_key(self.kind, "stranger"), self.chain.device_key
        leaf = certificate("device", device, "device ca", other, ca=False)
        return self.certified(leaf, self.chain.device_root)

    def device_that_may_not_sign(self) -> bytes:
        above, device = self.chain.device_ca_key, self.chain.device_key
        leaf = certificate("device", device, "device ca", above, ca=True)
        return self.certified(leaf, self.chain.device_root)

    def owner_with_a_short_coordinate(self) -> bytes:
        """A COSE_Key whose x lost the zero byte it begins with."""
        curve = ec.SECP384R1() if self.kind == "P-384" else ec.SECP256R1()
        key = ec.generate_private_key(curve)
        while key.public_key().public_numbers().x >> (curve.key_size - 8):
            key = ec.generate_private_key(curve)
        self.owner = replace(
            self.owner,
            private_key=key,
            signer=SoftSigner(key),
            public_key=PublicKey.of(key.public_key()),
        )
        fields = self.owner_cose_fields()
        x = cbor.bstr(fields[-2]).lstrip(b"\0")
        return self.last_key(self.key_type, 3, {1: 2, **fields, -2: x})

    def owner_cose_fields(self) -> dict[int, object]:
        """Return crv, x and y, as peers write that leave out kty."""
        numbers = self.owner.private_key.public_key().public_numbers()
        assert isinstance(numbers, ec.EllipticCurvePublicNumbers)
        size = numbers.curve.key_size // 8
        x, y = (value.to_bytes(size, "big") for value in (numbers.x, numbers.y))
        return {-1: 1 if size == 32 else 2, -2: x, -3: y}

    def owner_chain(self) -> list[bytes]:
        return [one.public_bytes(Encoding.DER) for one in self.owner.certificates]

    def owner_under_a_leaf(self) -> list[bytes]:
        """The owner's own certificate has issued one to another key."""
        issuer = self.owner.private_key
        below = new_key(self.kind, "below")
        leaf = certificate("below", below, "owner", issuer, ca=False)
        return [leaf.public_bytes(Encoding.DER), *self.owner_chain()]

    def root_der(self) -> bytes:
        return self.chain.device_root.public_bytes(Encoding.DER)

    def rsa_spki(self, bits: int = 2048, exponent: int = 65537) -> bytes:
        return spki(_rsa_key(bits, exponent).public_key())

    def claiming(self, alg: Alg) -> bytes:
        """Say another algorithm than the one that the last entry is signed with."""
        return self.last(protected=cbor.encode({1: int(alg)}))

    def maker_without_pss(self) -> SoftSigner:
        """The manufacturer's RSA key, signing as PKCS #1 does."""
        return SoftSigner(self.chain.manufacturer.private_key)

    def sold_to(self, kind: str, key_type: int) -> bytes:
        """Sell to a key of another kind, written as X.509."""
        return self.last_key(key_type, 1, spki(new_key(kind, "other").public_key()))


@cache
def _chain_of(kind: str) -> SupplyChain:
    return SupplyChain(kind)


@cache
def _rsa_party(name: str, kind: str) -> Party:
    return Party.found(name, kind, KeyEncoding.X509)


def _party(name: str, kind: str) -> Party:
    """Keys and certificates of RSA are slow to make, and made once."""
    if kind.startswith("RSA"):
        return _rsa_party(name, kind)
    return Party.found(name, kind, KeyEncoding.X509)


def _chain(kind: str) -> SupplyChain:
    return copy(_chain_of(kind)) if kind.startswith("RSA") else SupplyChain(kind)


@cache
def _rsa_key(bits: int, exponent: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(exponent, bits)
