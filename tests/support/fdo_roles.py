"""Environments for both sides of every protocol, made from one supply chain."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from hw.keys import SoftHmac
from onboarding.protocol.device_env import (
    DeviceCredential,
    DevmodFacts,
    Onboarded,
    To1DeviceEnv,
    To2DeviceEnv,
)
from onboarding.protocol.env import (
    OwnedVoucher,
    Replacement,
    To1RendezvousEnv,
    To2OwnerEnv,
)
from onboarding.protocol.modules import Message, ModulePlan, OwnerModule
from onboarding.protocol.registration import Registration
from onboarding.protocol.registry import TO2
from onboarding.protocol.to2_device import To2Device
from ownership_vouchers.keys import spki
from ownership_vouchers.rendezvous import RendezvousInfo
from tests.support.supply_chain import SupplyChain
from tests.support.wire_pair import WirePair

NOW = 1_800_000_000
NEW_RENDEZVOUS = RendezvousInfo.build(
    [{"dns": "rv2.example.test", "device_port": 443, "protocol": "https"}]
)
FACTS = DevmodFacts("Linux", "aarch64", "1.0", "test-board", serial="SN-1")


class KeepingModule:
    """A device module that keeps all it is sent and answers as it is told."""

    def __init__(
        self, name: str, answer: Callable[[str, bytes], Sequence[Message]]
    ) -> None:
        self.name = name
        self.received: list[Message] = []
        self._answer = answer

    def activated(self) -> Sequence[Message]:
        return ()

    def receive(self, message: str, value: bytes) -> Sequence[Message]:
        self.received.append((message, value))
        return self._answer(message, value)


class Roles:
    """Both sides of TO1 and TO2 for the device of ``chain``."""

    def __init__(self, chain: SupplyChain, *, reuse: bool = False) -> None:
        self.chain = chain
        owner = chain.owner
        new = Replacement(NEW_RENDEZVOUS, owner.public_key, owner.signer)
        self.owned = OwnedVoucher.of(
            chain.verified, owner.signer, None if reuse else new
        )
        header = chain.voucher.header
        self.credential = DeviceCredential(
            header.guid, header.device_info, header.rv_info.raw, chain.mfg_key_hash
        )
        self.mac_key = SoftHmac(chain.hmac_secret, int(chain.hash_type.keyed))

    def owner_env(self, *modules: OwnerModule, **changed: Any) -> To2OwnerEnv:
        env = To2OwnerEnv(
            now=NOW,
            random=secrets.token_bytes,
            new_kex_key=ec.generate_private_key,
            find_voucher=lambda guid: self.owned if guid == self.owned.guid else None,
            modules=lambda _guid, _plan: ModulePlan(modules),
        )
        return replace(env, **changed)

    def device_env(self, **changed: Any) -> To2DeviceEnv:
        env = To2DeviceEnv(
            credential=self.credential,
            device_key=self.chain.device_signer,
            mac_key=self.mac_key,
            random=secrets.token_bytes,
            new_kex_key=ec.generate_private_key,
            devmod=FACTS,
        )
        return replace(env, **changed)

    def to2(
        self, *modules: OwnerModule, owner: Any = None, device: Any = None, **pair: Any
    ) -> WirePair[Onboarded]:
        """Join both roles; ``owner`` and ``device`` change their Envs."""
        client = To2Device(self.device_env(**(device or {})))
        env = self.owner_env(*modules, **(owner or {}))
        return WirePair(client, TO2, env, **pair)

    def registration(self, to1d: bytes) -> Registration:
        voucher = self.chain.voucher
        return Registration.of(voucher, spki(voucher.device_key), to1d)

    def to1_env(self, to1d: bytes) -> To1RendezvousEnv:
        kept = self.registration(to1d)
        return To1RendezvousEnv(
            secrets.token_bytes, lambda guid: kept if guid == kept.guid else None
        )

    def to1_device_env(self) -> To1DeviceEnv:
        return To1DeviceEnv(self.chain.guid, self.chain.device_signer)
