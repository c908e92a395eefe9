"""A voucher that everybody takes, and each forged one in its place.

At an owner's import, at a rendezvous server, and at the device. All keys are TEST
KEYS.
"""

from dataclasses import dataclass, replace
from typing import Any

from onboarding.protocol.device_env import To0OwnerEnv
from onboarding.protocol.to0_owner import To0Owner
from onboarding.wire.message import MsgType
from ownership_vouchers import cbor
from ownership_vouchers.algorithms import Alg, SoftSigner
from ownership_vouchers.key_algorithm import KeyAlgorithm
from ownership_vouchers.keys import PublicKey
from ownership_vouchers.types import Guid, Hash
from ownership_vouchers.voucher import Voucher
from tests.support.alterations import Alteration, resigned
from tests.support.certified_runs import ADDRESS, cast_of
from tests.support.certifier import Answer, Certifier, Conversation
from tests.support.fdo_roles import Roles
from tests.support.forgeries import Build
from tests.support.request_cases import in_item, in_to0d
from tests.support.supply_chain import Party, certificate, new_key
from tests.support.wire_pair import WirePair
from tests.support.workshop import Workshop


@dataclass(frozen=True, slots=True)
class Forged:
    """A device's good voucher and a bent one, both sold to ``owner``."""

    shop: Workshop
    good: bytes
    bent: bytes

    @classmethod
    def of(
        cls, kind: str, build: Build, guid: bytes, owner: SoftSigner | None = None
    ) -> "Forged":
        """Bend a voucher of a new device; ``owner`` signs for who buys it.

        Args:
            kind: Of every key; one of ``supply_chain.KINDS``.
        """
        shop = Workshop(kind)
        shop.chain.make_device(guid=Guid(guid))
        if owner is not None:
            shop.owner = buyer(owner)
        bent = build(shop)
        return cls(shop, shop.bend(), bent)

    def imported(self, bench: Certifier) -> dict[str, Any]:
        """Offer the bent voucher to the owner's API; return what became of it."""
        reply = bench.call("POST", "/vouchers", content=self.bent)
        found: dict[str, Any] = reply.json()
        if "results" in found:
            result: dict[str, Any] = found["results"][0]
            return result
        return {"status": "refused", "code": found["code"]}

    def registered(self, bench: Certifier) -> Answer:
        """Offer it to the rendezvous server, with all that belongs to it."""
        good, owner = Voucher.from_cbor(self.good), self.shop.owner.signer
        env = To0OwnerEnv(good, owner, (ADDRESS,), 3600)
        talk = Conversation(bench, To0Owner(env))
        move = talk.until(MsgType.TO0_OWNER_SIGN)
        cast = cast_of(self.shop.chain, owner)
        alter = in_to0d(lambda _cast: in_item(0, lambda _data: self.bent))(cast)
        return bench.post(move.type, alter(move.body), talk.token)

    def onboarded(self, maker: Hash | None = None) -> WirePair[Any]:
        """Join the device with its owner, who shows it the bent voucher.

        Args:
            maker: What the device takes for the hash of its manufacturer's key.
        """
        chain, owner = self.shop.chain, self.shop.owner
        chain.voucher, chain.owner = Voucher.from_cbor(self.good), owner
        _, header, mac, _, entries = cbor.split(self.bent)
        count, shown = cbor.length(entries), cbor.split(entries)

        def prove(data: bytes) -> bytes:
            items = list(cbor.split(data))
            items[:3] = [header, cbor.encode(count), mac]
            return cbor.join(items)

        def entry(data: bytes) -> bytes:
            number = cbor.split(data)[0]
            return cbor.join((number, shown[cbor.uint(cbor.decode(number), 8)]))

        changes: dict[MsgType, Alteration] = {
            MsgType.TO2_PROVE_OV_HDR: resigned(owner.signer, prove),
            MsgType.TO2_OV_NEXT_ENTRY: entry,
        }
        roles = Roles(chain)
        known = maker or roles.credential.manufacturer_hash
        credential = replace(roles.credential, manufacturer_hash=known)
        return roles.to2(device={"credential": credential}, alter=changes)


def buyer(signer: SoftSigner) -> Party:
    """A company with the key of that signer, and certificates for it."""
    key = signer.private_key
    pss = signer.alg in (Alg.PS256, Alg.PS384)
    kind = KeyAlgorithm.of(signer.public_key, pss=pss)
    root_key = new_key(kind, "owner root")
    root = certificate("owner root", root_key, "owner root", root_key, ca=True)
    leaf = certificate("owner", key, "owner root", root_key, ca=False)
    public = PublicKey.of(signer.public_key, pss=pss)
    return Party("owner", key, signer, public, (leaf, root))
