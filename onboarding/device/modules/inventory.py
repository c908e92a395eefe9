"""``org.vouchgate.inventory`` on the device: tell the owner what the machine is."""

from collections.abc import Callable, Sequence

from hw.inventory import Inventory
from onboarding.protocol.inventory_module import NAME
from onboarding.protocol.modules import Message
from ownership_vouchers import cbor


class InventoryModule:
    """Told to an owner who has proved itself, inside the tunnel, when it asks."""

    name = NAME

    def __init__(self, take: Callable[[], Inventory]) -> None:
        self._take = take

    def activated(self) -> Sequence[Message]:
        """Tell it; raises TpmError when the TPM does not say who made it."""
        return [("machine", cbor.encode(self._take().to_item()))]

    def receive(self, message: str, value: bytes) -> Sequence[Message]:
        """There is nothing more to say."""
        return []
