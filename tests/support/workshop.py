"""A good voucher and the tools to bend it, one part at a time."""

from dataclasses import replace
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from ownership_vouchers import cbor
from ownership_vouchers.algorithms import SoftSigner
from ownership_vouchers.keys import KeyEncoding, PublicKey, spki
from ownership_vouchers.types import Hash
from tests.support.forge import CHAIN_HASH, TEST_GUID, Forge, ForgedEntry
from tests.support.supply_chain import Party, SupplyChain, certificate, new_key


class Workshop:
    """A P-256 device made by ``chain``, sold to a dealer and to an owner."""

    def __init__(self) -> None:
        self.chain = SupplyChain().make_device(guid=TEST_GUID)
        self.dealer = Party.found("dealer", "P-256", KeyEncoding.X509)
        self.owner = Party.found("owner", "P-256", KeyEncoding.X509)

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
        key = new_key("P-256")
        above = self.chain.device_ca_key
        middle = certificate("another", key, "device ca", above, ca=False)
        leaf = certificate("device", new_key("P-256"), "another", key, ca=False)
        return self.certified(leaf, middle, self.chain.device_root)

    def device_under_a_short_path(self) -> bytes:
        """A root that allows no authority below itself, and one below it."""
        root_key, key = new_key("P-256"), new_key("P-256")
        root = certificate("root", root_key, "root", root_key, ca=True, path_length=0)
        middle = certificate("middle", key, "root", root_key, ca=True)
        leaf = certificate("device", new_key("P-256"), "middle", key, ca=False)
        return self.certified(leaf, middle, root)

    def device_of_another_authority(self) -> bytes:
        """The issuer's name is right, the signature is not."""
        stranger = new_key("P-256")
        leaf = certificate("device", new_key("P-256"), "device ca", stranger, ca=False)
        return self.certified(leaf, self.chain.device_root)

    def device_that_may_not_sign(self) -> bytes:
        above = self.chain.device_ca_key
        leaf = certificate("device", new_key("P-256"), "device ca", above, ca=True)
        return self.certified(leaf, self.chain.device_root)

    def owner_with_a_short_coordinate(self) -> bytes:
        """A COSE_Key whose x lost the zero byte it begins with."""
        key = ec.generate_private_key(ec.SECP256R1())
        while key.public_key().public_numbers().x >> 248:
            key = ec.generate_private_key(ec.SECP256R1())
        self.owner = replace(
            self.owner,
            private_key=key,
            signer=SoftSigner(key),
            public_key=PublicKey.of(key.public_key()),
        )
        fields = self.owner_cose_fields()
        x = cbor.bstr(fields[-2]).lstrip(b"\0")
        return self.last_key(10, 3, {1: 2, **fields, -2: x})

    def owner_cose_fields(self) -> dict[int, object]:
        """Return crv, x and y, as peers write that leave out kty."""
        numbers = self.owner.private_key.public_key().public_numbers()
        assert isinstance(numbers, ec.EllipticCurvePublicNumbers)
        x, y = numbers.x.to_bytes(32, "big"), numbers.y.to_bytes(32, "big")
        return {-1: 1, -2: x, -3: y}

    def owner_chain(self) -> list[bytes]:
        return [one.public_bytes(Encoding.DER) for one in self.owner.certificates]

    def owner_under_a_leaf(self) -> list[bytes]:
        """The owner's own certificate has issued one to another key."""
        issuer = self.owner.private_key
        leaf = certificate("below", new_key("P-256"), "owner", issuer, ca=False)
        return [leaf.public_bytes(Encoding.DER), *self.owner_chain()]

    def root_der(self) -> bytes:
        return self.chain.device_root.public_bytes(Encoding.DER)

    def rsa_spki(self, bits: int = 2048, exponent: int = 65537) -> bytes:
        return spki(rsa.generate_private_key(exponent, bits).public_key())
