"""Ways from a device to its owner, without a socket: rendezvous, TO1 and TO2."""

import secrets
from collections.abc import Sequence

from onboarding.protocol.device_env import To0OwnerEnv
from onboarding.protocol.env import To0RendezvousEnv
from onboarding.protocol.registry import TO0, TO1, TO2
from onboarding.protocol.step import StoreRegistration
from onboarding.protocol.to0_owner import To0Owner
from ownership_vouchers.rendezvous import To2Address
from ownership_vouchers.to2_address import TransportProtocol
from tests.support.fdo_http import FdoHttp
from tests.support.fdo_roles import NOW, Roles
from tests.support.supply_chain import SupplyChain
from tests.support.wire_pair import WirePair

RV, OWNER = "192.0.2.1:8040", "192.0.2.2:8042"
THROUGH_RV = {"ip": "192.0.2.1", "device_port": 8040, "protocol": "http"}
BYPASS = {
    "ip": "192.0.2.2", "device_port": 8042, "protocol": "http", "bypass": True
}  # fmt: skip


def sold(*rendezvous: dict[str, object]) -> SupplyChain:
    return SupplyChain(rendezvous=rendezvous).make_device().sell_to("owner")


AT_OWNER = To2Address("192.0.2.2", None, 8042, TransportProtocol.HTTP)


def registration(
    chain: SupplyChain, addresses: Sequence[To2Address] = (AT_OWNER,)
) -> bytes:
    """Run TO0 and return the to1d that the rendezvous server would hand out."""
    owner = chain.owner.signer
    client = To0Owner(To0OwnerEnv(chain.voucher, owner, tuple(addresses), 3600))
    env = To0RendezvousEnv(NOW, secrets.token_bytes, lambda _guid: None)
    pair: WirePair[object] = WirePair(client, TO0, env)
    pair.run()
    (effect,) = pair.effects
    assert isinstance(effect, StoreRegistration)
    return effect.registration.to1d


def nowhere(_host: str, _port: int) -> list[str]:
    raise OSError("name or service not known")


def network(roles: Roles, to1d: bytes | None = None, **more: object) -> FdoHttp:
    blob = to1d or registration(roles.chain)
    hosts = {
        RV: (TO1, lambda: roles.to1_env(blob)),
        OWNER: (TO2, roles.owner_env),
    }
    return FdoHttp(hosts, **more)  # type: ignore[arg-type]
