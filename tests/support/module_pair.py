"""Owner modules and device modules joined by the real exchange, without TO2 around.

The owner's state goes through its bytes between any two messages.
"""

import secrets
from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric import ec

from onboarding.protocol.device_env import DevmodFacts
from onboarding.protocol.env import ServiceInfoLimits
from onboarding.protocol.exchange import Exchange, ModuleRun
from onboarding.protocol.exchange_device import DeviceExchange
from onboarding.protocol.exchange_steps import Round, take_turn
from onboarding.protocol.modules import (
    DeviceModule,
    ModuleContext,
    ModuleResult,
    OwnerModule,
)
from onboarding.wire.serviceinfo import DeviceServiceInfo, OwnerServiceInfo
from ownership_vouchers import cbor
from ownership_vouchers.types import Guid
from tests.support.fdo_roles import FACTS, NOW

GUID = Guid(bytes(range(16)))
NEXT_GUID = Guid(bytes(range(1, 17)))
KEY = ec.generate_private_key(ec.SECP256R1())


class ModulePair:
    """Runs ``owner`` against ``device`` to the end.

    ``modules`` are tried in their order; ``results`` is how each ended; ``sent`` and
    ``said`` are the pairs of owner and device.
    """

    def __init__(
        self,
        owner: Sequence[OwnerModule],
        device: Sequence[DeviceModule],
        facts: DevmodFacts = FACTS,
        limit: int = 1300,
    ) -> None:
        self._owner = tuple(owner)
        self._limit = limit
        self._device = DeviceExchange(facts, device, limit)
        runs = tuple(ModuleRun(one.name, required=one.required) for one in owner)
        self._state = cbor.encode(Exchange(NOW, runs).to_item())
        self.sent: list[tuple[str, bytes]] = []
        self.said: list[tuple[str, bytes]] = []
        self.rounds = 0

    def run(self) -> tuple[ModuleResult, ...]:
        """Raises what either side raises."""
        message: DeviceServiceInfo | None = self._device.first()
        while message is not None:
            self.rounds += 1
            assert self.rounds < 5000
            self.said += message.kvs
            reply = self._turn(message)
            assert len(reply.encode()) <= self._limit
            self.sent += reply.kvs
            message = self._device.receive(OwnerServiceInfo.from_cbor(reply.encode()))
        return self.exchange.results

    @property
    def exchange(self) -> Exchange:
        return Exchange.from_item(cbor.decode(self._state))

    def _turn(self, message: DeviceServiceInfo) -> OwnerServiceInfo:
        this = Round(
            GUID,
            NEXT_GUID,
            KEY.public_key(),
            NOW,
            secrets.token_bytes,
            self._owner,
            ServiceInfoLimits(),
            self._limit,
        )
        body = message.encode()
        taken = DeviceServiceInfo.from_cbor(body)
        exchange, reply = take_turn(self.exchange, taken, len(body), this)
        self._state = cbor.encode(exchange.to_item())
        return reply


def context(active: bool = True, modules: tuple[str, ...] = ()) -> ModuleContext:
    """What a module is told, where it is asked alone."""
    public = KEY.public_key()
    random = secrets.token_bytes
    return ModuleContext(GUID, NEXT_GUID, public, NOW, random, {}, active, 1, modules)
